/** @file Settings of the model, the same for pretraining and fine-tuning. */

import { z } from "zod";
import { show } from "../core/settings-file.js";
import { type Conflict, divisors } from "./conflicts.js";
import { choice, count, multiple, perStage } from "./settings-fields.js";

/** Blocks whose activations can be computed again in the backward pass instead of kept. */
export const RECOMPUTE_BLOCKS = ["backbone", "deformable-attention", "encoder-layers", "decoder-layers"] as const;
export type RecomputeBlock = (typeof RECOMPUTE_BLOCKS)[number];

export const modelSection = z.strictObject({
  backbone: choice("resnet50"),
  /** Batch norm of the backbone: fixed statistics and affine, or the statistics of each micro-batch. */
  norm: choice("frozen", "batch"),
  stemChannels: count(),
  stageBlocks: perStage(count()),
  stageChannels: perStage(multiple(4)), // a bottleneck has a quarter of its stage's channels
  /** C, the width of both decoders; sine and cosine of x and y share it. */
  hiddenDim: multiple(4),
  heads: count(),
  /** Sampling points per head and level of the deformable attention. */
  points: count(),
  pixelDecoderLayers: count(),
  pixelDecoderFfn: count(),
  /** L, layers of the transformer decoder. */
  decoderLayers: count(),
  decoderFfn: count(),
  /** Groups of the pixel decoder's group norms. */
  normGroups: count(),
});

export type ModelSettings = z.output<typeof modelSection>;

export function* modelConflicts({ model }: { model: ModelSettings }): Generator<Conflict> {
  for (const name of ["heads", "normGroups"] as const) {
    if (model.hiddenDim % model[name] === 0) continue;
    yield {
      names: [`model.${name}`, "model.hiddenDim"],
      expected: `a model.${name} that divides model.hiddenDim = ${model.hiddenDim}`,
      found: show(model[name]),
      fix: `These divide it: ${divisors(model.hiddenDim)}.`,
    };
  }
}
