/**
 * @file Scores of a model over a labelled source, image by image: memory holds sums and one line an image, whatever the
 * set's size.
 */

import { inOrder } from "../core/concurrency.js";
import { InputError } from "../core/errors.js";
import type { Image } from "../core/image.js";
import { range } from "../core/range.js";
import { type LabelledSource, requireLabelSize } from "../data/labelled-source.js";
import { type BadFile, decodeImage } from "../data/source.js";
import type { Task } from "../masks/segmentation.js";
import { type Rules, watchNothingKept } from "../predict/nothing-kept.js";
import {
  DECIDING,
  type EvaluatedClass,
  type Evaluation,
  type ImageScore,
  type Predict,
  type Prediction,
} from "./evaluation.js";
import type { Scorer, Truth } from "./scorer.js";
import { scorersOf } from "./scorers.js";

/** What `evaluate` compares, and how much of it. */
export interface EvaluationOptions {
  readonly source: LabelledSource;
  readonly predict: Predict;
  /** What to judge, the source's task among it; all that a panoptic source has if absent, else that task alone. */
  readonly tasks?: readonly Task[];
  /** By what the model drops segments, for the warnings. */
  readonly rules?: Rules;
  /** The images to take, in the order in which the model should see them; all of the source if absent. */
  readonly indices?: readonly number[];
  /**
   * Images under way at once, those included that are only read yet. By default 2: one is read while another is
   * predicted. For a Predictor its concurrency and one more.
   */
  readonly underWay?: number;
  /** Is told after every image how many of how many are done. */
  readonly progress?: (done: number, total: number) => void;
  /** Ends the evaluation between two images by its reason. */
  readonly signal?: AbortSignal;
}

interface Sample {
  readonly image: Image;
  readonly truth: Truth;
}

/** An image that was read and predicted, or what is wrong with it. */
type Outcome = { readonly truth: Truth; readonly prediction: Prediction } | InputError;

/**
 * Evaluates what the source's task and forms allow. Panoptic: PQ, and where the source has those forms AP of things and
 * mIoU; instance: AP; semantic: mIoU. Images and labels that cannot be read are listed as skipped. Several images are
 * under way at once, but they are counted in the order of `indices`.
 * @throws InputError when more than half of the images cannot be used
 */
export async function evaluate(options: EvaluationOptions): Promise<Evaluation> {
  const { source, predict, tasks, rules, underWay = 2, progress, signal } = options;
  const indices = options.indices ?? range(source.length);
  const scorers = scorersOf(source, tasks);
  const forms = new Set(scorers.map(({ form }) => form));
  const needs = new Set(scorers.map((one) => one.needs));
  const images: ImageScore[] = [];
  const skipped: BadFile[] = [];
  const nothingKept = watchNothingKept("evaluate", rules);
  const outcomes = inOrder(indices, underWay, async (index): Promise<Outcome> => {
    const sample = await readSample(source, index, forms, needs);
    if (sample instanceof InputError) return sample;
    return { truth: sample.truth, prediction: await predict(sample.image, forms) };
  });
  for await (const { item: index, result } of outcomes) {
    signal?.throwIfAborted();
    const name = source.name(index);
    if (result instanceof InputError) skipped.push({ file: name, reason: reasonOf(result, name) });
    else {
      const { truth, prediction } = result;
      images.push({ index, name, score: addTo(scorers, name, truth, prediction) });
      nothingKept.add(prediction);
    }
    progress?.(images.length + skipped.length, indices.length);
  }
  requireEnough(source, images, skipped);
  images.sort((a, b) => a.index - b.index);
  return { ...resultOf(source, scorers), images, skipped, warnings: nothingKept.warnings() };
}

/** An image and its labels, or what is wrong with them. */
async function readSample(
  source: LabelledSource,
  index: number,
  forms: ReadonlySet<Task>,
  needs: ReadonlySet<Scorer["needs"]>,
): Promise<Sample | InputError> {
  const { cityscapes } = source;
  try {
    const [image, semantic, panoptic, instances, ignored, objects] = await Promise.all([
      decodeImage(source, index),
      forms.has("semantic") ? source.semantic(index) : undefined,
      forms.has("panoptic") ? source.panoptic(index) : undefined,
      forms.has("instance") ? source.instances(index) : undefined,
      needs.has("ignored") ? cityscapes?.ignored(index) : undefined,
      needs.has("objects") ? cityscapes?.objects(index) : undefined,
    ]);
    const truth = { semantic, panoptic, instances, ignored, objects };
    for (const labels of Object.values(truth)) if (labels) requireLabelSize(source.name(index), image, labels);
    return { image, truth };
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

function reasonOf({ problem: { where, expected, found } }: InputError, name: string): string {
  return `${where === name ? "" : `${where}: `}${found} in place of ${expected}`;
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
    (one, label): EvaluatedClass => ({
      ...one,
      scores: Object.assign({}, ...results.map((result) => result.classes.get(label))) as EvaluatedClass["scores"],
    }),
  );
  const metric = DECIDING[task];
  return { task, deciding: { metric, value: scores[metric] ?? null }, scores, classes: classScores };
}
