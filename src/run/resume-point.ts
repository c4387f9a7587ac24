/** @file Where a run goes on: its last checkpoint, provided that it sees the same images again. */

import { createHash } from "node:crypto";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { ImageSource } from "../data/source.js";
import type { TrainingState } from "../train/training-state.js";
import { hasCheckpoint } from "./run-directory.js";
import type { RunLength } from "./run-length.js";

export interface ResumePoint extends RunLength {
  state: TrainingState;
}

/** Identifies the images of a run by their names and order, and what else must stay the same. */
export function fingerprint(source: ImageSource, others: readonly string[] = []): string {
  const hash = createHash("sha256");
  for (const text of others) hash.update(`${text}\n`);
  for (let i = 0; i < source.length; i++) hash.update(`${source.name(i)}\n`);
  return hash.digest("hex");
}

export interface ResumeOptions {
  /** The fingerprint of the images. */
  readonly images: string;
  /** What it is the fingerprint of. */
  readonly what?: string;
  readonly reporter?: Reporter;
}

/**
 * Undefined when the run ended before its first checkpoint: it begins again.
 * @throws InputError when the images are not those that the run began with
 */
export async function resumePoint(
  out: string,
  source: ImageSource,
  { images, what = "images", reporter = SILENT }: ResumeOptions,
): Promise<ResumePoint | undefined> {
  if (!(await hasCheckpoint(out))) return undefined;
  const { step, tensors, state } = await loadCheckpoint(out, { reporter });
  if (state.images !== images) {
    throw new InputError({
      where: `--resume ${out}`,
      expected: `the ${state.imageCount} ${what} that the run began with, under the same names`,
      found: `${source.length} images, not all the same`,
      fix: "Restore them, or start a new run.",
    });
  }
  const { model, target = new Map(), optimizer } = tensors;
  const { steps, warmupSteps } = state;
  return {
    step,
    steps: Number(steps),
    ...(typeof warmupSteps === "number" && { warmupSteps }),
    state: { model, target, optimizer },
  };
}
