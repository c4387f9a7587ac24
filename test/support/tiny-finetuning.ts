/** @file A fine-tuning that takes a second: Mask2Former at its smallest, and labelled scenes for it. */

import type { FamilyName } from "../../src/families/families.js";
import { finetunerOptions } from "../../src/finetune/composition.js";
import { Finetuner } from "../../src/finetune/finetuner.js";
import type { FinetuneSettings } from "../../src/finetune/settings.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import type { Target } from "../../src/masks/segmentation.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { writeSampleData } from "../../src/sample-data/write-sample-data.js";
import { freshWeights } from "../../src/weights/starting-weights.js";
import { randomImagesOf } from "./tiny-pretraining.js";

const SMALLEST_BACKBONES = {
  resnet50: ["model.stemChannels=8", "model.stageChannels=[8,16,32,64]"],
  swin: [
    "model.backbone=swin",
    "model.embedDim=8",
    "model.stageBlocks=[1,1,2,1]",
    "model.stageHeads=[1,2,4,8]",
    "model.window=3",
  ],
};

const SMALLEST = ["model.hiddenDim=32", "model.normGroups=4", "model.decoderLayers=2", "model.decoderFfn=32"];

const SMALLEST_OF_FAMILIES: Readonly<Record<FamilyName, readonly string[]>> = {
  mask2former: ["model.pixelDecoderLayers=1", "model.pixelDecoderFfn=32"],
  "mp-former": ["model.pixelDecoderLayers=1", "model.pixelDecoderFfn=32"],
  maskformer: ["model.encoderLayers=1", "model.dropout=0.1"],
  oneformer: [
    "model.dropout=0.1",
    "model.pixelDecoderLayers=1",
    "model.pixelDecoderFfn=32",
    "model.classLayers=1",
    "model.textLayers=1",
    "model.textTokens=16",
    "model.promptContext=2",
  ],
};

/** `--set` arguments that shrink the model of the preset "small". */
export const smallestModel = (
  family: FamilyName = "mask2former",
  backbone: keyof typeof SMALLEST_BACKBONES = "resnet50",
) => [`model.family=${family}`, ...SMALLEST_BACKBONES[backbone], ...SMALLEST, ...SMALLEST_OF_FAMILIES[family]];

export const SMALLEST_MODEL = smallestModel();

/** Few queries and points, 64 x 64 pixels and batches of 4. */
export const SMALLEST_TRAINING = [
  "decoder.queries=8",
  "criterion.points=64",
  "data.crop=[64,64]",
  "inference.shortEdge=64",
  "inference.longEdge=96",
  "run.batch=4",
  "run.microBatch=2",
  "run.steps=4",
];

export const SMALLEST_FINETUNING = [...SMALLEST_MODEL, ...SMALLEST_TRAINING];

export function smallestFinetuning(...sets: readonly string[]): FinetuneSettings {
  return smallestOf("mask2former", ...sets);
}

/** The same of a family. */
export function smallestOf(family: FamilyName, ...sets: readonly string[]): FinetuneSettings {
  return resolveSettings({ preset: "small", sets: [...smallestModel(family), ...SMALLEST_TRAINING, ...sets] });
}

/** Writes `images` labelled scenes of 64 x 64 pixels, a fifth of them for validation. */
export async function writeScenes(dir: string, images: number): Promise<void> {
  await writeSampleData({ dir, images, size: 64, seed: 3 });
}

/** Things called "class 0", "class 1", ... */
export const numberedClasses = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ name: `class ${i}`, isThing: true }));

/** A finetuner of those settings for `classes` classes, from the seed's weights. */
export function createFinetuner(runtime: Runtime, settings: FinetuneSettings, classes = 3): Promise<Finetuner> {
  return Finetuner.create(
    runtime,
    finetunerOptions(settings, numberedClasses(classes), settings.run.steps as number),
    async (declared) => ({
      model: freshWeights(declared, settings.run.seed).weights,
      target: new Map(),
      optimizer: new Map(),
    }),
  );
}

/** Images of N(0, 1) for one step, [batch, 3, H, W]. */
export function randomBatch({ run, data }: FinetuneSettings, step: number): Float32Array {
  return randomImagesOf(run.batch * 3 * data.crop[0] * data.crop[1], step);
}

/** `count` squares in an image of those settings, of classes 0, 1, 2, 0, ... */
export function squares({ data }: FinetuneSettings, count: number): Target[] {
  const [height, width] = data.crop;
  return Array.from({ length: count }, (_, i) => {
    const mask = new Uint8Array(height * width);
    for (let y = 4 + i; y < 24 + i; y++) mask.fill(1, y * width + 3 * i, y * width + 3 * i + 20);
    return { label: i % 3, mask };
  });
}
