/** @file Every setting of a fine-tuning run: its name, its type, what it accepts, and which settings must agree. */

import { z } from "zod";
import { show, type WhereOf } from "../core/settings-file.js";
import { TASKS } from "../masks/segmentation.js";
import { type Conflict, refuseConflicts } from "../run/conflicts.js";
import { modelConflicts, modelSection } from "../run/model-settings.js";
import { optimSection, runConflicts, runFields } from "../run/optim-settings.js";
import { choice, count, multiple, nonNegative, onOff, positive, unit } from "../run/settings-fields.js";

/** Parts of a pretrained model that can go over. */
export const MODEL_PARTS = ["backbone", "pixel-decoder", "transformer-decoder"] as const;
export type ModelPart = (typeof MODEL_PARTS)[number];

const path = z.string().min(1);
const pathOrNull = path.nullable().describe("a path, or null");
const range = z.tuple([positive, positive]).describe("2 numbers [low, high] with 0 < low <= high");

const decoder = z.strictObject({
  /** Object queries of the transformer decoder. */
  queries: count(),
});

/** The criterion (mask-classification reference, 4). */
const criterion = z.strictObject({
  /** Points at which a prediction and an object are compared. */
  points: count(),
  /** Candidates for the uncertain points, as a multiple of `points`. */
  oversampling: z.number().min(1).describe("a number, at least 1"),
  /** Share of the points taken from the most uncertain candidates. */
  importance: unit,
  classWeight: nonNegative,
  maskWeight: nonNegative,
  diceWeight: nonNegative,
  /** Weight of "no object" in the classification loss. */
  noObject: positive,
});

const data = z.strictObject({
  /** Data set: a folder in a known layout, or a YAML file that describes one. */
  path: pathOrNull,
  /** The data's folder, in place of the one that the YAML file names. */
  root: pathOrNull,
  task: choice(...TASKS),
  trainSplit: path.describe("the name of a split"),
  valSplit: path.nullable().describe("the name of a split, or null"),
  /** Labelled images to train on: a share such as 10% or a number; the same ones for every run with this seed. */
  labels: z.union([z.string(), z.int()]).transform(String).describe("a share such as 10% or a number of images"),
  labelsSeed: count(0),
  /** How training images are resized: shortest edge then crop (reference, 5.4), or large-scale jitter (5.5). */
  view: choice("shortest-edge", "large-scale-jitter"),
  /** Network input in training: height, width. */
  crop: z.tuple([multiple(32), multiple(32)]).describe("2 numbers [height, width], multiples of 32"),
  /** Lengths of the shorter side to choose from, for "shortest-edge". */
  shortEdges: z.array(count()).min(1).describe("a list of lengths in pixels"),
  /** Limit of the longer side, for "shortest-edge". */
  longEdge: count(),
  /** Range of the resizing factor, for "large-scale-jitter". */
  jitter: range,
  /** SSD's colour jitter, for "shortest-edge". */
  colorJitter: onOff,
  flip: onOff,
  /** Whether segments that the crop lost stay as objects with empty masks; only COCO's instance recipe drops them. */
  keepEmpty: onOff,
});

/** A pretraining run whose weights go over, and which parts of it. */
const from = z.strictObject({
  run: pathOrNull,
  parts: z
    .array(z.enum(MODEL_PARTS))
    .min(1)
    .describe(`a list of ${MODEL_PARTS.map((name) => `"${name}"`).join(", ")}`),
});

/** How images reach the network at test time, and what is kept of its output (reference, 5.7 and 5.8). */
const inference = z.strictObject({
  shortEdge: count(),
  longEdge: count(),
  /** Side in pixels, after resizing, of the overlapping windows in which instances are predicted; 0 for whole images. */
  window: count(0),
  objectThreshold: unit,
  overlapThreshold: unit,
  topK: count(),
});

const run = z.strictObject({
  ...runFields,
  /** Period in steps of the evaluation on the validation split, 0 for never; the last step is always evaluated. */
  evaluateEvery: count(0),
  /** Validation images of an evaluation during training, 0 for all; the last one always takes all. */
  evaluateImages: count(0),
});

export const finetuneSchema = z.strictObject({
  model: modelSection,
  decoder,
  criterion,
  data,
  from,
  optim: optimSection,
  inference,
  run,
});

export type FinetuneSettings = z.output<typeof finetuneSchema>;

/** Settings that may change when a run is resumed: they do not enter any number that training computes. */
export const RESUMABLE_SETTINGS = ["run.cores", "run.checkpointEvery", "run.logEvery", "run.keep"] as const;

function* dataConflicts({ data, inference }: FinetuneSettings): Generator<Conflict> {
  const [low, high] = data.jitter;
  if (low > high) {
    yield { names: ["data.jitter"], expected: "[low, high] with 0 < low <= high", found: show(data.jitter) };
  }
  if (inference.window > 0 && data.task !== "instance") {
    const expected = `inference.window 0 for the task ${data.task}: only instances can be put together from windows`;
    yield { names: ["inference.window", "data.task"], expected, found: String(inference.window) };
  }
}

/** Checks what the schema cannot: settings that must agree. @throws InputError for the first conflict */
export function checkAgreement(settings: FinetuneSettings, whereOf: WhereOf): void {
  for (const conflicts of [modelConflicts, dataConflicts, runConflicts]) refuseConflicts(conflicts(settings), whereOf);
}
