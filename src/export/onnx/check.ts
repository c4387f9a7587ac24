/** @file Whether a written file gives what this program gives. */

import { setImmediate } from "node:timers/promises";
import { InputError } from "../../core/errors.js";
import { createRuntime } from "../../runtime/create-runtime.js";
import { openPlainSession } from "../../runtime/plain-onnxruntime.js";
import type { ExportedModel } from "./exported-model.js";
import { roundedWeights } from "./half-weights.js";
import type { Trial } from "./trial-images.js";
import { type Comparison, SLIGHT, tryFile } from "./try-file.js";

export interface CheckOptions {
  /** Where the file will lie, for messages. */
  readonly place: string;
  readonly trials: readonly Trial[];
  readonly normalise: boolean;
  /** Weights are stored as float16: outputs are compared with those under rounded weights, labels with `predict`'s. */
  readonly half: boolean;
}

/**
 * How far a file may be off. Rounding alone moves no value by more than 1e-5 of the largest one. But a key at the very
 * edge of an attention's mask may fall to the other side: of a ResNet-50 with random weights, which are unsure of
 * everything, about one image of 512x512 in three has such keys. Single values were then off by up to 1.4e-3, one in a
 * hundred by 1.6e-4, half of them by less than 2e-6, and 1.7 pixels in a thousand got another label. A file that
 * computes something else is off everywhere.
 */
const TOLERANCE = { difference: 0.01, offShare: 0.5, equalPixels: 0.99 };

/** What this program gives, which it computes while the file is made. */
export interface Check {
  /** Compares a file with it. @throws InputError for one that gives something else */
  of(file: string): Promise<Comparison>;
  /** Gives the memory back. */
  end(): Promise<void>;
}

/** Sets the model of this program to work on the trials. */
export async function beginCheck(model: ExportedModel, options: CheckOptions): Promise<Check> {
  const { place, trials, normalise, half } = options;
  const images = trials.flat();
  const runtime = await createRuntime();
  const edge = Math.min(...images.map(({ width, height }) => Math.min(width, height)));
  const own = await model.expectation(runtime, model.weights, edge);
  const stored = half ? await model.expectation(runtime, roundedWeights(model.weights), edge) : own;
  const looking = Promise.all(images.map(stored.outputs));
  looking.catch(() => {}); // it is waited for below
  // Making and opening the file keep this thread busy: other threads compile the network and run it meanwhile.
  await setImmediate();
  return {
    async of(file) {
      const session = await openPlainSession(file);
      const expected = { outputs: stored.outputs, ...(own.labels && { labels: own.labels }) };
      const found = await tryFile(session, trials, expected, normalise).finally(() => session.release());
      const { difference, offShare, equalPixels = 1 } = found;
      const isClose = difference <= TOLERANCE.difference && offShare <= TOLERANCE.offShare;
      if (!isClose || (!half && equalPixels < TOLERANCE.equalPixels)) throw mismatch(place, found);
      return found;
    },
    async end() {
      await looking.catch(() => {}); // no run may be under way
      for (const expectation of new Set([own, stored])) await expectation.dispose();
      runtime.dispose();
    },
  };
}

function mismatch(where: string, { difference, offShare, equalPixels }: Comparison): InputError {
  const values = `${percent(offShare)} of the values by more than ${percent(SLIGHT)}`;
  const pixels = equalPixels === undefined ? "" : `, and ${percent(equalPixels)} of the pixels equal`;
  return new InputError({
    where,
    expected: "a file that gives what predict gives",
    found: `outputs up to ${percent(difference)} of the largest value off (${values})${pixels}`,
    fix: "No file was left. Another --opset or --size may do; please report it with the model's settings.",
  });
}

/** 99.98 % */
export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
