/** @file Settings of the optimiser and of the length of a run, the same for pretraining and fine-tuning. */

import { z } from "zod";
import { DEVICE_ADVICE, DEVICES } from "../core/devices.js";
import { show } from "../core/settings-file.js";
import { type Conflict, divisors } from "./conflicts.js";
import { RECOMPUTE_BLOCKS } from "./model-settings.js";
import { choice, count, insideUnit, nonNegative, positive, unit } from "./settings-fields.js";

export const optimSection = z.strictObject({
  lr: positive,
  weightDecay: nonNegative,
  /** Largest L2 norm of the whole gradient, or null. */
  clip: positive.nullable().describe("a number above 0, or null"),
  betas: z.tuple([unit.lt(1), unit.lt(1)]).describe("2 numbers from 0 to 1, 1 excluded"),
  eps: positive,
  schedule: choice("constant", "poly", "multistep", "cosine"),
  /** Share of the run with linear warm-up. */
  warmup: unit.lt(1).describe("a number from 0 to 1, 1 excluded"),
  polyPower: positive,
  /** Shares of the run at which "multistep" multiplies the learning rate by gamma. */
  milestones: z.array(insideUnit).describe("a rising list of numbers between 0 and 1"),
  gamma: positive,
  /** Learning rate of a backbone that trains, relative to lr. */
  backboneLrFactor: nonNegative,
});

/** What every run has; a kind of run adds its own. */
export const runFields = {
  batch: count(),
  /** Images in one forward and backward pass; a batch is a sum over micro-batches. */
  microBatch: count(),
  steps: count().nullable().describe("a whole number, at least 1, or null"),
  epochs: positive.nullable().describe("a number above 0, or null"),
  seed: count(0),
  device: choice(...DEVICES).meta({ fix: DEVICE_ADVICE }),
  /** Cores to use, 0 for all. */
  cores: count(0),
  recompute: z
    .array(z.enum(RECOMPUTE_BLOCKS))
    .describe(`a list of ${RECOMPUTE_BLOCKS.map((name) => `"${name}"`).join(", ")}`),
  /** Periods in steps. */
  checkpointEvery: count(),
  logEvery: count(),
  /** Checkpoints to keep, besides the best one. */
  keep: count(),
};

interface RunSettings {
  optim: z.output<typeof optimSection>;
  run: { batch: number; microBatch: number; steps: number | null; epochs: number | null };
}

/** Conflicts of the schedule, the batch and the length. */
export function* runConflicts({ optim, run }: RunSettings): Generator<Conflict> {
  if (optim.milestones.some((share, i) => i > 0 && share <= optim.milestones[i - 1])) {
    yield { names: ["optim.milestones"], expected: "rising optim.milestones", found: show(optim.milestones) };
  }
  if (run.batch % run.microBatch !== 0) {
    yield {
      names: ["run.microBatch", "run.batch"],
      expected: `a run.microBatch that divides run.batch = ${run.batch}`,
      found: show(run.microBatch),
      fix: `These divide it: ${divisors(run.batch)}.`,
    };
  }
  if ((run.steps === null) === (run.epochs === null)) {
    yield {
      names: ["run.steps", "run.epochs"],
      expected: "either run.steps or run.epochs, the other one null",
      found: `run.steps ${run.steps} and run.epochs ${run.epochs}`,
    };
  }
}

/** Steps of a whole run, from its length in steps or in epochs over so many images. */
export function stepsOf({ steps, epochs, batch }: RunSettings["run"], images: number): number {
  return steps ?? Math.max(1, Math.round(((epochs as number) * images) / batch));
}
