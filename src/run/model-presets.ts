/** @file The numbers of a model's parts that every kind of run starts from. */

import { type DecoderSettings, type FamilyName, familyOf, isFamily } from "../families/families.js";
import { MASK2FORMER_USUAL } from "../families/mask2former.js";
import type { BackboneSettings, ModelSettings } from "./model-settings.js";

/** Settings of the model that do not depend on its backbone: Mask2Former's, as most runs have them. */
export const DECODERS = { family: "mask2former" as const, ...MASK2FORMER_USUAL };

type Backbone = ModelSettings["backbone"];

/** What a backbone has unless a preset says otherwise: ResNet-50 and Swin-T. */
export const BACKBONES: {
  [B in Backbone]: Omit<Extract<ModelSettings, { family: "mask2former"; backbone: B }>, keyof typeof DECODERS>;
} = {
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
  maskDim: null,
  heads: 4,
  points: 4,
  pixelDecoderLayers: 2,
  pixelDecoderFfn: 128,
  decoderLayers: 3,
  decoderFfn: 128,
  normGroups: 32, // what detectron2 and transformers always have
} satisfies ModelSettings;

/** Settings of a model by what they are of, as far as they are known. */
export interface ModelParts {
  readonly backbone?: BackboneSettings;
  /** Of one family, which is among them. */
  readonly decoders?: Partial<DecoderSettings>;
}

/** Settings of the model by what they are of. */
export function partsOf(model: ModelSettings): Required<ModelParts> {
  const own = Object.keys(BACKBONES[model.backbone]);
  const isOwn = ([key]: [string, unknown]) => own.includes(key);
  const entries = Object.entries(model);
  return {
    backbone: Object.fromEntries(entries.filter(isOwn)) as unknown as BackboneSettings,
    decoders: Object.fromEntries(entries.filter((entry) => !isOwn(entry))) as unknown as DecoderSettings,
  };
}

/** The model with another backbone where one is given, and with other settings of its decoders, of whatever family. */
export function withParts(model: ModelSettings, { backbone, decoders = {} }: ModelParts): ModelSettings {
  const parts = partsOf(model);
  const { family = model.family } = decoders;
  const own = family === model.family ? parts.decoders : decodersOf(family, parts.decoders);
  return { ...own, ...decoders, ...(backbone ?? parts.backbone) } as ModelSettings;
}

/**
 * The settings with another family, or another backbone, or both: a backbone of the usual size, decoders with the
 * numbers that they have in common. As they are where a name is theirs, missing or unknown.
 */
export function withModel<T extends { model: ModelSettings }>(
  settings: T,
  { family, backbone }: { readonly family?: unknown; readonly backbone?: unknown },
): T {
  const { model } = settings;
  const found = Object.values(BACKBONES).find((known) => known.backbone === backbone);
  const other = found && found.backbone !== model.backbone ? { backbone: found } : {};
  return { ...settings, model: withParts(model, { ...other, ...(isFamily(family) && { decoders: { family } }) }) };
}

/** The settings of a family, where it has those of another one with the same values. */
function decodersOf(family: FamilyName, others: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { usual } = familyOf({ family }).settings;
  return { family, ...Object.fromEntries(Object.entries(usual).map(([key, value]) => [key, others[key] ?? value])) };
}
