/** @file Settings of the optimiser and of the length of a run, the same for pretraining and fine-tuning. */

import { z } from "zod";
import { DEVICE_ADVICE, DEVICES } from "../core/devices.js";
import { type Conflict, divisors } from "../core/settings-conflicts.js";
import {
  added,
  belowOne,
  choice,
  count,
  insideUnit,
  listOf,
  MAX_STEPS,
  nonNegative,
  orNull,
  period,
  positive,
  setting,
} from "../core/settings-fields.js";
import { show } from "../core/show.js";
import { RECOMPUTE_BLOCKS } from "../families/settings.js";

const beta = z.number().min(0).lt(1);

export const optimSection = z.strictObject({
  lr: positive("Learning rate of AdamW after the warm-up."),
  weightDecay: nonNegative("Weight decay of AdamW; norms and embeddings have none."),
  clip: orNull(positive("Largest L2 norm of the whole gradient; what is larger is scaled down to it.")),
  betas: setting(z.tuple([beta, beta]), "2 numbers from 0 to 1, 1 excluded", "Decay of AdamW's two running means."),
  eps: positive("What AdamW adds to the root of the squares' mean."),
  schedule: choice(["constant", "poly", "multistep", "cosine"], "How the learning rate changes after the warm-up."),
  warmup: belowOne("Share of the run in which the learning rate rises linearly from 0."),
  polyPower: positive('Power of the schedule "poly".'),
  milestones: setting(
    z.array(insideUnit()).max(1000),
    "a rising list of numbers between 0 and 1",
    'Shares of the run at which "multistep" multiplies the learning rate by gamma.',
  ),
  gamma: positive('Factor of the schedule "multistep".'),
  backboneLrFactor: nonNegative("Learning rate of a backbone that trains, as a multiple of lr."),
  pixelDecoderLrFactor: added(nonNegative("Learning rate of the pixel decoder, as a multiple of lr."), 1),
  transformerDecoderLrFactor: added(
    nonNegative(
      "Learning rate of the transformer decoder, in pretraining of the whole predictor, as a multiple of lr.",
    ),
    1,
  ),
});

/** What every run has; a kind of run adds its own. */
export const runFields = {
  batch: count({ max: 65_536 }, "Images of one optimiser step."),
  microBatch: count({ max: 4096 }, "Images of one forward and backward pass; a batch is a sum over micro-batches."),
  steps: orNull(count({ max: MAX_STEPS }, "Length of the run in optimiser steps; null where epochs say it.")),
  epochs: orNull(positive("Length of the run in passes over the images; null where steps say it.", 1_000_000)),
  seed: count({ min: 0, max: Number.MAX_SAFE_INTEGER }, "Seed of everything random."),
  device: choice(DEVICES, "Where to compute.").meta({ fix: DEVICE_ADVICE }),
  cores: count({ min: 0, max: 1024 }, "CPU cores to use, 0 for all."),
  recompute: listOf(
    RECOMPUTE_BLOCKS,
    "Blocks whose activations are computed again in the backward pass instead of kept: less memory, more time.",
  ),
  checkpointEvery: period("Steps between checkpoints."),
  logEvery: period("Steps between lines of metrics.jsonl."),
  keep: count({ max: 10_000 }, "Newest checkpoints that stay, besides the best one."),
};

/**
 * Settings that may change when a run of any kind is resumed, as no number that it computes depends on them; on its
 * length some may, which is found out when the run is known.
 */
export const RESUMABLE_RUN_SETTINGS = [
  "run.steps",
  "run.epochs",
  "run.cores",
  "run.checkpointEvery",
  "run.logEvery",
  "run.keep",
] as const;

export type OptimSettings = z.output<typeof optimSection>;

interface RunSettings {
  optim: OptimSettings;
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
