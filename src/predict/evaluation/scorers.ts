/** @file The scorers of a task: that of its own form first, then those of the other forms in which it can be judged. */

import { InputError } from "../../core/errors.js";
import type { LabelledSource } from "../../data/labelled-source.js";
import { averagePrecision } from "../../eval/average-precision.js";
import { panopticQuality } from "../../eval/panoptic-quality.js";
import type { Scores } from "../../eval/scores.js";
import { semanticIou } from "../../eval/semantic-iou.js";
import type { SegmentationClass, Task } from "../../masks/segmentation.js";
import { DECIDING, type Prediction } from "./evaluation.js";
import { ofOtherForm, percentages } from "./metrics.js";
import type { Result, Scorer, Truth } from "./scorer.js";

/** An evaluator of `src/eval`: sums over images. */
interface Evaluator<T, P> {
  add(truth: T, prediction: P, where?: string): void;
  result(): Scores;
}

/** What a panoptic model is judged by in other forms: AP_pan^Th and mIoU_pan, of all and of each class. */
const OTHER_FORMS: Partial<Record<Task, { summary: readonly string[]; classes: readonly string[] }>> = {
  instance: { summary: ["ap", "ap50", "ap75"], classes: ["ap"] },
  semantic: { summary: ["miou"], classes: ["iou"] },
};

/**
 * Panoptic: panoptic quality, and where the source has those forms AP of the things and mIoU, which come from the model's
 * instances and semantic map, not from its panoptic one. Instance: COCO's AP. Semantic: IoU.
 */
export function scorersOf({ task, classes, forms }: LabelledSource): Scorer[] {
  const others = task === "panoptic" ? (["instance", "semantic"] as const).filter((form) => forms.has(form)) : [];
  return [task, ...others].map((form) => scorerOf(form, classes, form === task));
}

function scorerOf(form: Task, classes: readonly SegmentationClass[], own: boolean): Scorer {
  const scorers: Record<Task, () => Scorer> = {
    panoptic: () =>
      scorer(
        form,
        own,
        () => panopticQuality(classes),
        ({ panoptic }) => panoptic,
        ({ panoptic }) => panoptic,
      ),
    semantic: () =>
      scorer(
        form,
        own,
        () => semanticIou(classes),
        ({ semantic }) => semantic,
        ({ semantic }) => semantic,
      ),
    instance: () =>
      scorer(
        form,
        own,
        () => averagePrecision(classes),
        ({ instances }) => instances,
        ({ instances }) => instances,
      ),
  };
  return scorers[form]();
}

/** A scorer around an evaluator; an image's own score is that of an evaluator which saw this image alone. */
function scorer<T, P>(
  form: Task,
  own: boolean,
  create: () => Evaluator<T, P>,
  truthOf: (truth: Truth) => T | undefined,
  predictionOf: (prediction: Prediction) => P | undefined,
): Scorer {
  const all = create();
  return {
    form,
    add(name, truths, predictions) {
      const [truth, prediction] = [truthOf(truths), predictionOf(predictions)];
      if (!truth || !prediction) throw missing(name, form, truth ? "predictions" : "labels");
      all.add(truth, prediction, name);
      if (!own) return null;
      const alone = create();
      alone.add(truth, prediction, name);
      return percentages(alone.result().summary)[DECIDING[form]];
    },
    result: (): Result => resultOf(all.result(), own ? undefined : OTHER_FORMS[form]),
  };
}

function resultOf({ summary, classes }: Scores, kept: (typeof OTHER_FORMS)[Task]): Result {
  const rows = classes.map(({ scores }) => percentages(scores));
  if (!kept) return { scores: percentages(summary), classes: rows };
  return {
    scores: ofOtherForm(percentages(summary), kept.summary),
    classes: rows.map((row) => ofOtherForm(row, kept.classes)),
  };
}

function missing(name: string, form: Task, what: string): InputError {
  return new InputError({ where: name, expected: `${what} in the ${form} form`, found: "none" });
}
