/** @file Every setting of a fine-tuning run: its name, its type, what it accepts, and which settings must agree. */

import { z } from "zod";
import { type Conflict, refuseConflicts } from "../core/settings-conflicts.js";
import {
  added,
  choice,
  count,
  listOf,
  multiple,
  name,
  nonNegative,
  onOff,
  orNull,
  path,
  period,
  positive,
  setting,
  unit,
} from "../core/settings-fields.js";
import type { WhereOf } from "../core/settings-file.js";
import { show } from "../core/show.js";
import { MODEL_PARTS } from "../families/family.js";
import { TASKS } from "../masks/segmentation.js";
import { fromFields } from "../run/from-settings.js";
import { type StepSize, sizeConflicts } from "../run/memory-floor.js";
import { modelConflicts, modelSection } from "../run/model-settings.js";
import { optimSection, RESUMABLE_RUN_SETTINGS, runConflicts, runFields } from "../run/optim-settings.js";
import { CLASS_RULES } from "./class-rows.js";

const decoder = z.strictObject({
  queries: count({ max: 10_000 }, "Object queries of the transformer decoder: the most objects that it can find."),
});

/** The criterion: Mask2Former's matcher.py and criterion.py. */
const criterion = z.strictObject({
  points: count(
    { max: 1_000_000 },
    "Points at which a prediction and an object are compared; MaskFormer does so at every pixel.",
  ),
  oversampling: setting(
    z.number().min(1).max(100),
    "a number from 1 to 100",
    "Candidates for the uncertain points, as a multiple of points.",
  ),
  importance: unit("Share of the points that are taken from the most uncertain candidates."),
  classWeight: nonNegative("Weight of the classification loss, and of the class in the matching."),
  maskWeight: nonNegative("Weight of the masks' cross-entropy, in loss and matching."),
  diceWeight: nonNegative("Weight of the masks' dice loss, in loss and matching."),
  noObject: positive('Weight of "no object" in the classification loss.'),
});

/** A side of an image after resizing, in pixels. */
const side = { max: 65_536 };
const crop = multiple(32, { max: 4096 });

const data = z.strictObject({
  path: orNull(path("The labelled data: a folder in a known layout, or a YAML file that describes one.")),
  root: orNull(path("The data's folder, in place of the one that the YAML file names.")),
  task: orNull(choice(TASKS, "What to learn; null for the widest that the data has labels for.")),
  trainSplit: name("a split", "The split to train on."),
  valSplit: orNull(name("a split", "The split to evaluate on; null for none.")),
  labels: setting(
    z.union([z.string(), z.int()]).transform(String),
    "a share such as 10% or a number of images",
    "Labelled images to train on; the same ones for every run with one labelsSeed.",
  ),
  labelsSeed: count({ min: 0, max: Number.MAX_SAFE_INTEGER }, "Seed of the choice of labelled images."),
  view: choice(
    ["shortest-edge", "large-scale-jitter"],
    "How training images are resized: to a length of the shorter side and cut, or to a multiple of the crop.",
  ),
  crop: setting(
    z.tuple([crop, crop]),
    "2 numbers [height, width], multiples of 32 up to 4,096",
    "What the network sees in training, in pixels.",
  ),
  shortEdges: setting(
    z.array(z.int().min(1).max(side.max)).min(1).max(1000),
    "a list of lengths in pixels, at most 65,536",
    'Lengths of the shorter side to choose from, for "shortest-edge".',
  ),
  longEdge: count(side, 'Limit of the longer side, for "shortest-edge".'),
  jitter: setting(
    z.tuple([z.number().gt(0).max(100), z.number().gt(0).max(100)]),
    "2 numbers [low, high] with 0 < low <= high <= 100",
    'Range of the multiple of the crop, for "large-scale-jitter".',
  ),
  colorJitter: onOff('Whether colours are changed as SSD does, for "shortest-edge".'),
  flip: onOff("Whether half of the images are mirrored."),
  keepEmpty: onOff("Whether segments that the crop lost stay as objects with empty masks."),
});

/** Weights that go over, and which parts of them. */
const from = z.strictObject({
  ...fromFields,
  parts: listOf(MODEL_PARTS, "Parts of the model to take.", { min: 1 }),
  classes: added(
    choice(
      CLASS_RULES,
      "Weights of the classes: taken where these are the same in the same order, or row by row by names, or fresh.",
    ),
    "same",
  ),
});

/** How images reach the network at test time, and what is kept of its output. */
const inference = z.strictObject({
  shortEdge: count(side, "Shorter side of a resized image, unless the longer one would exceed longEdge."),
  longEdge: count(side, "Limit of its longer side."),
  window: count(
    { min: 0, max: 8192 },
    "Side in pixels, after resizing, of the overlapping windows in which instances are predicted; 0 for whole images.",
  ),
  objectThreshold: unit("Panoptic: queries below this score are dropped."),
  overlapThreshold: unit("Panoptic: a segment of which less than this share is left is dropped."),
  topK: count({ max: 100_000 }, "Instances kept of an image, or of each of its windows."),
});

const run = z.strictObject({
  ...runFields,
  evaluateEvery: period(
    "Steps between evaluations on the validation split, 0 for none; the last step is always evaluated.",
    0,
  ),
  evaluateImages: count(
    { min: 0, max: 1_000_000_000 },
    "Validation images of an evaluation during training, 0 for all; the last one always takes all.",
  ),
});

const optim = optimSection.extend({
  freeze: added(listOf(MODEL_PARTS, "Parts of the model that stay as they are."), []),
});

export const finetuneSchema = z.strictObject({
  model: modelSection,
  decoder,
  criterion,
  data,
  from,
  optim,
  inference,
  run,
});

/** All settings of a fine-tuning run; `mask-jepa settings finetune` prints them with their meaning. */
export type FinetuneSettings = z.output<typeof finetuneSchema>;

/** Settings that may change when a run is resumed: no step that it has taken depends on them. */
export const RESUMABLE_SETTINGS = [...RESUMABLE_RUN_SETTINGS, "run.evaluateEvery", "run.evaluateImages"] as const;

/**
 * For the check that a step fits into memory: with the predicted masks, their gradients, and the points of the losses.
 */
export function stepSizeOf({ model, run, data, decoder, criterion }: FinetuneSettings): StepSize {
  const [height, width] = data.crop;
  const masks = 2 * model.decoderLayers * decoder.queries * (height / 4) * (width / 4);
  const points = criterion.points * (2 + criterion.oversampling);
  return { model, run, size: data.crop, extra: run.microBatch * masks + points };
}

function* dataConflicts(settings: FinetuneSettings): Generator<Conflict> {
  const { data, from, optim, inference } = settings;
  yield* sizeConflicts(stepSizeOf(settings), "data.crop");
  const [low, high] = data.jitter;
  if (low > high) {
    yield { names: ["data.jitter"], expected: "[low, high] with 0 < low <= high", found: show(data.jitter) };
  }
  if (from.step !== null && from.run === null) {
    const expected = "from.run, the run whose checkpoint from.step means";
    yield { names: ["from.step", "from.run"], expected, found: `from.step ${from.step} and no run` };
  }
  if (MODEL_PARTS.every((part) => optim.freeze.includes(part))) {
    const expected = "a part of the model that trains";
    yield { names: ["optim.freeze"], expected, found: "all of them in optim.freeze" };
  }
  if (inference.window > 0 && data.task !== "instance") {
    const task = data.task === null ? "that the data decides" : data.task;
    const expected = `inference.window 0 for the task ${task}: only instances can be put together from windows`;
    yield { names: ["inference.window", "data.task"], expected, found: String(inference.window) };
  }
}

/** Checks what the schema cannot: settings that must agree. @throws InputError for the first conflict */
export function checkAgreement(settings: FinetuneSettings, whereOf: WhereOf): void {
  const { decoder, run } = settings;
  const ofModel = modelConflicts(settings, { queries: decoder.queries, microBatch: run.microBatch });
  for (const found of [ofModel, dataConflicts(settings), runConflicts(settings)]) refuseConflicts(found, whereOf);
}
