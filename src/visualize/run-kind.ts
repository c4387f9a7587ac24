/** @file What the folder after `--checkpoint` is, and what to do about one that cannot be drawn. */

import { readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isRepositoryFolder } from "../checkpoint/hub-cache.js";
import { isHubLocation } from "../checkpoint/hub-location.js";
import { isRunLocation } from "../checkpoint/read-weights.js";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { weightsIn } from "../checkpoint/weights-location.js";
import { InputError } from "../core/errors.js";
import { exists } from "../io/atomic-file.js";
import { errorCode, fileFault } from "../io/file-fault.js";
import { hasCheckpoint } from "../run/run-directory.js";
import { SETTINGS_FILE } from "../run/run-files.js";
import { describedModel } from "../weights/model-description.js";

const EXPECTED = "a pretraining or fine-tuning run, one of its checkpoints, or weights of a whole model";
const WEIGHTS = /\.(safetensors|pth|pt|pkl|bin|onnx)$/i;
const IMAGES = /\.(jpe?g|png|webp|tiff?|gif|avif)$/i;
const DATA = /^(data\.yaml|annotations|gtFine)$/;

/** What was trained, with the file of the run's settings, which a fine-tuned model may lack. */
export type RunKind =
  | { readonly kind: "pretraining"; readonly settings: string }
  | { readonly kind: "fine-tuned model"; readonly settings?: string };

/** @throws InputError for what is neither a run that can be drawn nor weights, naming what it is and what would work */
export async function runKindOf(checkpoint: string): Promise<RunKind> {
  if (isHubLocation(checkpoint)) return { kind: "fine-tuned model" };
  const entries = await entriesOf(checkpoint);
  if (entries === "file") return { kind: "fine-tuned model" };
  const settings = await settingsOf(checkpoint);
  if (!(await isRunLocation(checkpoint))) {
    if (settings === undefined && (await holdsWeights(checkpoint))) return { kind: "fine-tuned model" };
    throw await notARun(checkpoint, entries, settings);
  }
  const { state } = await loadCheckpoint(checkpoint, { parts: [] });
  if (describedModel(state)) return { kind: "fine-tuned model", settings };
  if (settings === undefined) {
    throw refusal(checkpoint, `a checkpoint without the ${SETTINGS_FILE} of its run`, "Copy the run's folder whole.");
  }
  return { kind: "pretraining", settings };
}

const holdsWeights = async (folder: string) =>
  (await isRepositoryFolder(folder)) || (await weightsIn(folder)) !== undefined;

function refusal(checkpoint: string, found: string, fix: string): InputError {
  return new InputError({ where: `--checkpoint ${checkpoint}`, expected: EXPECTED, found, fix });
}

async function entriesOf(checkpoint: string): Promise<string[] | "file"> {
  try {
    return await readdir(checkpoint);
  } catch (error) {
    if (errorCode(error) === "ENOTDIR") {
      if ((await stat(checkpoint).catch(() => undefined))?.isFile()) return "file";
      throw refusal(checkpoint, "a path below a file", "Check the path.");
    }
    throw fileFault(error, `--checkpoint ${checkpoint}`, EXPECTED);
  }
}

/** The settings of the run that a folder is, or belongs to. */
async function settingsOf(checkpoint: string): Promise<string | undefined> {
  for (const folder of [checkpoint, dirname(checkpoint), join(checkpoint, "..", "..")]) {
    const file = join(folder, SETTINGS_FILE);
    if (await exists(file)) return file;
  }
  return undefined;
}

async function notARun(
  checkpoint: string,
  entries: readonly string[],
  settings: string | undefined,
): Promise<InputError> {
  const runs: string[] = [];
  for (const name of entries) if (await hasCheckpoint(join(checkpoint, name))) runs.push(join(checkpoint, name));
  if (runs.length > 0) return refusal(checkpoint, `a folder of runs: ${runs.join(", ")}`, "Give one of them.");
  if (settings !== undefined)
    return refusal(checkpoint, "a run without a checkpoint", "Train it first: --resume goes on.");
  if (entries.some((name) => WEIGHTS.test(name))) {
    return refusal(checkpoint, "a folder of weights", "Give one of the files.");
  }
  return refusal(checkpoint, otherFolder(entries), "Give the folder that pretrain or finetune wrote with --out.");
}

function otherFolder(entries: readonly string[]): string {
  if (entries.length === 0) return "an empty folder";
  if (entries.some((name) => IMAGES.test(name))) return "a folder of images";
  if (entries.some((name) => DATA.test(name))) return "a folder of labelled data";
  return `a folder without ${SETTINGS_FILE}`;
}
