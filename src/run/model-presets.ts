/** @file The numbers of a model's parts that every kind of run starts from. */

import type { FamilyName } from "../families/families.js";
import type { ModelSettings } from "./model-settings.js";

/** Settings of the model that do not depend on its backbone: those of Mask2Former. */
export const DECODERS = {
  family: "mask2former" as FamilyName,
  hiddenDim: 256,
  heads: 8,
  points: 4,
  pixelDecoderLayers: 6,
  pixelDecoderFfn: 1024,
  decoderLayers: 9,
  decoderFfn: 2048,
  normGroups: 32,
};

type Backbone = ModelSettings["backbone"];

/** What a backbone has unless a preset says otherwise: ResNet-50 and Swin-T. */
export const BACKBONES: { [B in Backbone]: Omit<Extract<ModelSettings, { backbone: B }>, keyof typeof DECODERS> } = {
  resnet50: {
    backbone: "resnet50",
    norm: "frozen",
    backboneNormGroups: null,
    stemChannels: 64,
    stageBlocks: [3, 4, 6, 3],
    stageChannels: [256, 512, 1024, 2048],
  },
  // Drop path as Mask2Former trains it; a frozen backbone drops nothing.
  swin: {
    backbone: "swin",
    embedDim: 96,
    stageBlocks: [2, 2, 6, 2],
    stageHeads: [3, 6, 12, 24],
    window: 7,
    dropPath: 0.3,
  },
};

/** A ResNet and decoders small enough for the quickstart and the tests. */
export const TINY_MODEL = {
  family: DECODERS.family,
  ...BACKBONES.resnet50,
  norm: "batch",
  backboneNormGroups: 8,
  stemChannels: 16,
  stageBlocks: [1, 1, 1, 1],
  stageChannels: [32, 64, 128, 256],
  hiddenDim: 64,
  heads: 4,
  points: 4,
  pixelDecoderLayers: 2,
  pixelDecoderFfn: 128,
  decoderLayers: 3,
  decoderFfn: 128,
  normGroups: 32, // what detectron2 and transformers always have
} satisfies ModelSettings;

/** The settings with another backbone, of the usual size; as they are where the name is theirs or unknown. */
export function withBackbone<T extends { model: ModelSettings }>(settings: T, name: unknown): T {
  const { model } = settings;
  const found = Object.values(BACKBONES).find(({ backbone }) => backbone === name);
  if (!found || found.backbone === model.backbone) return settings;
  const decoders = { ...DECODERS };
  for (const key of Object.keys(decoders) as (keyof typeof DECODERS)[]) Object.assign(decoders, { [key]: model[key] });
  return { ...settings, model: { ...found, ...decoders } };
}
