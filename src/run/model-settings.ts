/** @file Settings of the model, the same for pretraining and fine-tuning. */

import { z } from "zod";
import { type Conflict, divisors } from "../core/settings-conflicts.js";
import { belowOne, choice, count, multiple, perStage, setting } from "../core/settings-fields.js";
import { show } from "../core/show.js";
import { type DecoderSettings, FAMILY_NAMES, type FamilyName, familyOf } from "../families/families.js";
import type { TrainingSizes, ValuesOf } from "../families/settings.js";

const backbone = <const B extends string>(name: B) =>
  setting(
    z.literal(name),
    `"${name}"`,
    "The network that sees the image; it decides which other settings of the model there are.",
  );

const blocks = perStage(count({ max: 100 }), "Residual blocks of each stage of the backbone.");

/** Runs of before there was a choice were of the first. */
const family = (name: FamilyName, fix?: string) =>
  setting(
    z.literal(name).default(FAMILY_NAMES[0] as never),
    `"${name}"`,
    "The mask-classification architecture; it decides which other settings of the model there are.",
  ).meta({ fix });

const resnet = {
  backbone: backbone("resnet50"),
  norm: choice(
    ["frozen", "batch", "group"],
    "Norm of the backbone: batch norm with fixed statistics and affine, batch norm with the statistics of each " +
      "micro-batch, or group norm.",
  ),
  backboneNormGroups: setting(
    z.int().min(1).max(1024).nullable().default(null),
    "a whole number from 1 to 1,024, or null",
    "Groups of the backbone's norms where they are group norms; null for as many as model.normGroups.",
  ),
  stemChannels: count({ max: 4096 }, "Channels of the backbone's first convolution."),
  stageBlocks: blocks,
  stageChannels: perStage(
    multiple(4, { max: 16_384 }),
    "Channels that each stage of the backbone puts out; its bottlenecks have a quarter of them.",
  ),
};

const swin = {
  backbone: backbone("swin"),
  embedDim: count({ max: 2048 }, "Channels of the first stage; each further one has twice as many."),
  stageBlocks: blocks,
  stageHeads: perStage(count({ max: 1024 }), "Attention heads of each stage."),
  window: count({ min: 2, max: 24 }, "Side of an attention window in tokens."),
  dropPath: belowOne(
    "Drop path while the backbone trains: rate of the last block, rising linearly from 0 in the first.",
  ),
};

/** Family and backbone decide which settings a model has. */
const variantsOf = (name: FamilyName, fix?: string) => {
  const { fields } = familyOf({ family: name }).settings;
  const decoders: Record<string, z.ZodType> = { ...fields };
  return z.discriminatedUnion("backbone", [
    z.strictObject({ family: family(name, fix), ...resnet, ...decoders }),
    z.strictObject({ family: family(name, fix), ...swin, ...decoders }),
  ]);
};

/** Settings of a backbone alone. */
export type BackboneSettings = ValuesOf<typeof resnet> | ValuesOf<typeof swin>;
export type ModelSettings = DecoderSettings & BackboneSettings;

/** Settings of the models of some families; `fix`: what to do about another one. */
function sectionOf([first, ...others]: readonly FamilyName[], fix?: string): z.ZodType<ModelSettings> {
  const variants = others.map((name) => variantsOf(name, fix));
  const section = z.discriminatedUnion("family", [variantsOf(first, fix), ...variants]);
  return section as unknown as z.ZodType<ModelSettings>;
}

export const modelSection = sectionOf(FAMILY_NAMES);
/** Of those that Mask-JEPA pretrains. */
export const pretrainedModelSection = sectionOf(
  FAMILY_NAMES.filter((family) => familyOf({ family }).pretrains),
  "Fine-tune other families from such a pretraining, with finetune --family.",
);

type ResNetSettings = Exclude<ModelSettings, { backbone: "swin" }>;

/** Every convolution of a ResNet: the stem, and of each stage the bottleneck, a quarter of the stage's channels. */
function* groupNormConflicts(model: ResNetSettings): Generator<Conflict> {
  const { norm, backboneNormGroups, normGroups, stemChannels, stageChannels } = model;
  if (norm !== "group") return;
  const groups = backboneNormGroups ?? normGroups;
  const widths = [stemChannels, ...stageChannels.map((channels) => channels / 4)];
  const odd = widths.find((width) => width % groups !== 0);
  if (odd === undefined) return;
  yield {
    names: ["model.backboneNormGroups", "model.norm"],
    expected: `a model.backboneNormGroups that divides the channels of every convolution, ${widths.join(", ")}`,
    found: `${groups}, which does not divide ${odd}`,
    fix: "Choose another number of groups, or model.norm batch.",
  };
}

/** `training`: sizes of the training that the model is for. */
export function* modelConflicts({ model }: { model: ModelSettings }, training?: TrainingSizes): Generator<Conflict> {
  yield* familyOf(model).settings.conflicts(model, training);
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
