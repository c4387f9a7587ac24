/** @file Scores of a model over a labelled source, image by image: memory holds sums and one line an image, whatever the set's size. */

import { InputError } from "../../core/errors.js";
import type { LabelledSource } from "../../data/labelled-source.js";
import type { BadFile } from "../../data/source.js";
import { decode, type RgbImage } from "../../io/image-file.js";
import type { Task } from "../../masks/segmentation.js";
import {
  type ClassScores,
  DECIDING,
  type Evaluation,
  type ImageScore,
  type Predict,
  type Prediction,
} from "./evaluation.js";
import type { Scorer, Truth } from "./scorer.js";
import { scorersOf } from "./scorers.js";

export interface EvaluationOptions {
  readonly source: LabelledSource;
  readonly predict: Predict;
  /** The images to take, in the order in which the model should see them; all of the source if absent. */
  readonly indices?: readonly number[];
  /** Is told after every image how many of how many are done. */
  readonly progress?: (done: number, total: number) => void;
  /** Ends the evaluation between two images by its reason. */
  readonly signal?: AbortSignal;
}

interface Sample {
  readonly image: RgbImage;
  readonly truth: Truth;
}

/**
 * Evaluates what the source's task and forms allow. Panoptic: PQ, and where the source has those forms AP of things and
 * mIoU; instance: AP; semantic: mIoU. Images and labels that cannot be read are listed as skipped. While the model
 * works on one image, the next is read.
 * @throws InputError when more than half of the images cannot be used
 */
export async function evaluate(options: EvaluationOptions): Promise<Evaluation> {
  const { source, predict, progress, signal } = options;
  const indices = options.indices ?? Array.from({ length: source.length }, (_, i) => i);
  const scorers = scorersOf(source);
  const forms = new Set(scorers.map(({ form }) => form));
  const images: ImageScore[] = [];
  const skipped: BadFile[] = [];
  const read = (index: number | undefined) => {
    if (index === undefined) return undefined;
    const sample = readSample(source, index, forms);
    sample.catch(() => {}); // should the model fail first, nobody waits for it
    return sample;
  };
  let next = read(indices[0]);
  for (const [done, index] of indices.entries()) {
    signal?.throwIfAborted();
    const sample = await next;
    next = read(indices[done + 1]);
    const name = source.name(index);
    if (sample instanceof InputError) skipped.push({ file: name, reason: sample.problem.found });
    else if (sample)
      images.push({ index, name, score: addTo(scorers, name, sample.truth, await predict(sample.image)) });
    progress?.(done + 1, indices.length);
  }
  requireEnough(source, images, skipped);
  images.sort((a, b) => a.index - b.index);
  return { ...resultOf(source, scorers), images, skipped };
}

/** An image and its labels, or what is wrong with them. */
async function readSample(
  source: LabelledSource,
  index: number,
  forms: ReadonlySet<Task>,
): Promise<Sample | InputError> {
  try {
    const [image, semantic, panoptic, instances] = await Promise.all([
      source.read(index).then((bytes) => decode(bytes, source.name(index))),
      forms.has("semantic") ? source.semantic(index) : undefined,
      forms.has("panoptic") ? source.panoptic(index) : undefined,
      forms.has("instance") ? source.instances(index) : undefined,
    ]);
    for (const labels of [semantic, panoptic, instances]) if (labels) requireSize(source.name(index), image, labels);
    return { image, truth: { semantic, panoptic, instances } };
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function requireSize(name: string, image: Size, labels: Size): void {
  if (image.width === labels.width && image.height === labels.height) return;
  throw new InputError({
    where: name,
    expected: `labels of the image's size, ${image.width} x ${image.height}`,
    found: `labels of ${labels.width} x ${labels.height} for an image of ${image.width} x ${image.height}`,
  });
}

/** Adds an image to all scorers; returns its score by the first one, which is that of the source's task. */
function addTo(scorers: readonly Scorer[], name: string, truth: Truth, prediction: Prediction): number | null {
  const [own] = scorers.map((scorer) => scorer.add(name, truth, prediction));
  return own;
}

function requireEnough(source: LabelledSource, images: readonly ImageScore[], skipped: readonly BadFile[]): void {
  const total = images.length + skipped.length;
  if (images.length > 0 && images.length >= skipped.length) return;
  const reasons = skipped.slice(0, 3).map(({ file, reason }) => `${file}: ${reason}`);
  throw new InputError({
    where: "evaluation",
    expected: "images and labels of which at least half can be used",
    found: total === 0 ? "no image" : [`${images.length} of ${total} usable`, ...reasons].join("; "),
    fix: source.length === 0 ? "Choose another split." : "See what is wrong: mask-jepa data check --data DATA.",
  });
}

function resultOf(
  { task, classes }: LabelledSource,
  scorers: readonly Scorer[],
): Pick<Evaluation, "task" | "deciding" | "scores" | "classes"> {
  const results = scorers.map((scorer) => scorer.result());
  const scores = Object.assign({}, ...results.map((result) => result.scores)) as Evaluation["scores"];
  const classScores = classes.map(
    (one, label): ClassScores => ({
      ...one,
      scores: Object.assign({}, ...results.map((result) => result.classes[label])) as ClassScores["scores"],
    }),
  );
  const metric = DECIDING[task];
  return { task, deciding: { metric, value: scores[metric] ?? null }, scores, classes: classScores };
}
