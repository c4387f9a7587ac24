/** @file A pretraining that takes well under a second: the whole architecture at its smallest, and images for it. */

import { RandomStream } from "../../src/core/random.js";
import { pretrainerOptions, weightsOptions } from "../../src/pretrain/composition.js";
import { Pretrainer } from "../../src/pretrain/pretrainer.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import { resolveSettings } from "../../src/pretrain/settings-resolution.js";
import { startingWeights } from "../../src/pretrain/starting-weights.js";
import type { Runtime } from "../../src/runtime/contract.js";
import type { TrainingState } from "../../src/train/training-state.js";

/** One layer of every decoder, 64 x 64 pixels, batches of 2. */
const DECODERS = [
  "model.hiddenDim=32",
  "model.normGroups=4",
  "model.pixelDecoderLayers=1",
  "model.pixelDecoderFfn=32",
  "model.decoderLayers=1",
  "model.decoderFfn=32",
  "pretrain.selfAttentionBlocks=1",
  "pretrain.denoising=true",
  "data.size=64",
  "data.heldOut=0",
  "run.batch=2",
  "run.steps=4",
];

/** `--set` arguments that shrink the preset "tiny" further. */
export const SMALLEST = ["model.stemChannels=8", "model.stageChannels=[8,16,32,64]", ...DECODERS];

/** The same with a Swin Transformer: shifted windows in its third stage, padding in all, drop path. */
const SMALLEST_SWIN = [
  "model.backbone=swin",
  "model.embedDim=8",
  "model.stageBlocks=[1,1,2,1]",
  "model.stageHeads=[1,2,4,8]",
  "model.window=3",
  "model.dropPath=0.5",
  ...DECODERS,
];

/** The smallest settings with a Swin Transformer, with `sets` over them. */
export function smallestSwinSettings(...sets: readonly string[]): PretrainSettings {
  return resolveSettings({ preset: "tiny", sets: [...SMALLEST_SWIN, ...sets] });
}

/** The smallest settings, with `sets` over them. */
export function smallestSettings(...sets: readonly string[]): PretrainSettings {
  return resolveSettings({ preset: "tiny", sets: [...SMALLEST, ...sets] });
}

/** Images [batch, 3, size, size] of N(0, 1) for one step. */
export function randomImages({ run, data }: PretrainSettings, step: number): Float32Array {
  return randomImagesOf(run.batch * 3 * data.size ** 2, step);
}

/** `count` numbers of N(0, 1) for one step. */
export function randomImagesOf(count: number, step: number): Float32Array {
  return new RandomStream({ seed: 17, purpose: "test images", step }).fillNormal(new Float32Array(count));
}

/** A pretrainer of those settings over a run of `steps`, from a state or from the seed. */
export function createPretrainer(
  runtime: Runtime,
  settings: PretrainSettings,
  steps: number,
  state?: TrainingState,
): Promise<Pretrainer> {
  const start = state ?? ((declared: Declarations) => startingWeights(weightsOptions(settings), declared));
  return Pretrainer.create(runtime, pretrainerOptions(settings, steps), start);
}

type Declarations = Parameters<typeof startingWeights>[1];
