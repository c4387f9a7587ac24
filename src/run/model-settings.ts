/** @file Settings of the model, the same for pretraining and fine-tuning. */

import { z } from "zod";
import { show } from "../core/settings-file.js";
import { type Conflict, divisors } from "./conflicts.js";
import { choice, count, multiple, perStage, unit } from "./settings-fields.js";

/** Blocks whose activations can be computed again in the backward pass instead of kept. */
export const RECOMPUTE_BLOCKS = ["backbone", "deformable-attention", "encoder-layers", "decoder-layers"] as const;
export type RecomputeBlock = (typeof RECOMPUTE_BLOCKS)[number];

const resnet = {
  backbone: z.literal("resnet50"),
  /** Norm of the backbone: batch norm with fixed statistics and affine, or with those of each micro-batch; or group norm. */
  norm: choice("frozen", "batch", "group"),
  stemChannels: count(),
  stageBlocks: perStage(count()),
  stageChannels: perStage(multiple(4)), // a bottleneck has a quarter of its stage's channels
};

const swin = {
  backbone: z.literal("swin"),
  /** Channels of the first stage; each further one has twice as many. */
  embedDim: count(),
  stageBlocks: perStage(count()),
  stageHeads: perStage(count()),
  /** Side of a window in tokens. */
  window: count(2),
  /** Drop path of a backbone that trains: the rate of the last block, rising linearly from 0 in the first. */
  dropPath: unit.lt(1).describe("a number from 0 to 1, 1 excluded"),
};

const decoders = {
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
  /** Groups of the pixel decoder's group norms, and of the backbone's where it has those. */
  normGroups: count(),
};

/** The backbone decides which settings it has. */
export const modelSection = z.discriminatedUnion("backbone", [
  z.strictObject({ ...resnet, ...decoders }),
  z.strictObject({ ...swin, ...decoders }),
]);

export type ModelSettings = z.output<typeof modelSection>;
type ResNetSettings = Exclude<ModelSettings, { backbone: "swin" }>;

/** Every convolution of a ResNet: the stem, and of each stage the bottleneck, a quarter of the stage's channels. */
function* groupNormConflicts({ norm, normGroups, stemChannels, stageChannels }: ResNetSettings): Generator<Conflict> {
  if (norm !== "group") return;
  const widths = [stemChannels, ...stageChannels.map((channels) => channels / 4)];
  const odd = widths.find((width) => width % normGroups !== 0);
  if (odd === undefined) return;
  yield {
    names: ["model.normGroups", "model.norm"],
    expected: `a model.normGroups that divides the channels of every convolution, ${widths.join(", ")}`,
    found: `${normGroups}, which does not divide ${odd}`,
    fix: "Choose another number of groups, or model.norm batch.",
  };
}

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
  if (model.backbone !== "swin") {
    yield* groupNormConflicts(model);
    return;
  }
  for (const [stage, heads] of model.stageHeads.entries()) {
    const channels = model.embedDim * 2 ** stage;
    if (channels % heads === 0) continue;
    yield {
      names: ["model.stageHeads", "model.embedDim"],
      expected: `model.stageHeads that divide the channels of their stages, ${channels} in stage ${stage + 1}`,
      found: show(heads),
      fix: `These divide it: ${divisors(channels)}.`,
    };
  }
}
