/** @file The scorers of a task: that of its own form first, then whatever else the source's labels allow. */

import { InputError } from "../core/errors.js";
import type { LabelledSource } from "../data/labelled-source.js";
import { averagePrecision } from "../eval/average-precision.js";
import { cityscapesAp } from "../eval/cityscapes-ap.js";
import { cityscapesIou } from "../eval/cityscapes-iou.js";
import { panopticQuality } from "../eval/panoptic-quality.js";
import type { Scores } from "../eval/scores.js";
import { semanticIou } from "../eval/semantic-iou.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";
import { DECIDING, type Prediction } from "./evaluation.js";
import { metric, type ScoreTable } from "./metrics.js";
import type { Result, Scorer, Truth } from "./scorer.js";

/** The names of an evaluator's scores that are kept, and what they are called here. */
type Names = Readonly<Record<string, string>>;

/** What makes a scorer out of an evaluator of `src/eval`. */
interface Parts<E> {
  readonly form: Task;
  readonly needs?: Scorer["needs"];
  readonly create: () => E;
  readonly add: (evaluator: E, truth: Truth, prediction: Prediction, name: string) => void;
  /** The scores that are kept, of the whole and of each class; all if absent. */
  readonly kept?: { readonly summary: Names; readonly classes: Names };
}

const FIELDS = { panoptic: "panoptic", semantic: "semantic", instance: "instances" } as const;

/**
 * Panoptic: panoptic quality, and where the source has those forms AP of the things and mIoU, which come from the
 * model's instances and semantic map, not from its panoptic one. Instance: COCO's AP. Semantic: IoU. Of Cityscapes also
 * what its own scripts measure. `tasks`: those that are judged, the source's among them.
 */
export function scorersOf(
  { task, classes, forms, cityscapes }: LabelledSource,
  tasks: readonly Task[] = task === "panoptic" ? [...forms] : [task],
): Scorer[] {
  const judged = (form: Task) => tasks.includes(form);
  const [panoptic, instance, semantic] = [judged("panoptic"), judged("instance"), judged("semantic")];
  const pan = task === "panoptic";
  const scorers = [
    panoptic && panopticScorer(classes),
    instance && instanceScorer(classes, pan),
    semantic && semanticScorer(classes, pan),
    instance && cityscapes && cityscapesInstanceScorer(classes, pan),
    semantic && !pan && cityscapes && cityscapesSemanticScorer(classes),
  ];
  const asked = scorers.filter((one): one is Scorer => typeof one === "object");
  return asked.sort((a, b) => Number(b.form === task) - Number(a.form === task));
}

function panopticScorer(classes: readonly SegmentationClass[]): Scorer {
  return scorer({
    form: "panoptic",
    create: () => panopticQuality(classes),
    add: (evaluator, truth, said, name) => evaluator.add(truth.panoptic!, said.panoptic!, name),
  });
}

/** COCO's AP; of a panoptic model AP_pan^Th. */
function instanceScorer(classes: readonly SegmentationClass[], pan: boolean): Scorer {
  return scorer({
    form: "instance",
    create: () => averagePrecision(classes),
    add: (evaluator, truth, said, name) => evaluator.add(truth.instances!, said.instances!, name),
    kept: pan ? { summary: { ap: "apPan", ap50: "ap50Pan", ap75: "ap75Pan" }, classes: { ap: "apPan" } } : undefined,
  });
}

/** IoU; of a panoptic model mIoU_pan. */
function semanticScorer(classes: readonly SegmentationClass[], pan: boolean): Scorer {
  return scorer({
    form: "semantic",
    create: () => semanticIou(classes),
    add: (evaluator, truth, said, name) => evaluator.add(truth.semantic!, said.semantic!, name),
    kept: pan ? { summary: { miou: "miouPan" }, classes: { iou: "iouPan" } } : undefined,
  });
}

function cityscapesInstanceScorer(classes: readonly SegmentationClass[], pan: boolean): Scorer {
  const names: Names = pan
    ? { ap: "apCityscapesPan", ap50: "ap50CityscapesPan" }
    : { ap: "apCityscapes", ap50: "ap50Cityscapes" };
  return scorer({
    form: "instance",
    needs: "ignored",
    create: () => cityscapesAp(classes),
    add: (evaluator, truth, said, name) => evaluator.add(truth.instances!, said.instances!, truth.ignored!, name),
    kept: { summary: names, classes: names },
  });
}

/** What Cityscapes adds to the IoU of classes, which is the one that everybody measures. */
function cityscapesSemanticScorer(classes: readonly SegmentationClass[]): Scorer {
  return scorer({
    form: "semantic",
    needs: "objects",
    create: () => cityscapesIou(classes),
    add: (evaluator, truth, said, name) => evaluator.add(truth.semantic!, truth.objects!, said.semantic!, name),
    kept: {
      summary: { iiou: "iiou", categoryMiou: "categoryMiou", categoryIiou: "categoryIiou" },
      classes: { iiou: "iiou" },
    },
  });
}

/** An image's own score is that of an evaluator which saw this image alone; there is one when all scores are kept. */
function scorer<E extends { result(): Scores }>({ form, needs, create, add, kept }: Parts<E>): Scorer {
  const all = create();
  return {
    form,
    needs,
    add(name, truth, prediction) {
      const field = FIELDS[form];
      if (!truth[field] || !prediction[field]) throw missing(name, form, truth[field] ? "predictions" : "labels");
      add(all, truth, prediction, name);
      if (kept) return null;
      const alone = create();
      add(alone, truth, prediction, name);
      return percentages(alone.result().summary)[DECIDING[form]];
    },
    result(): Result {
      const { summary, classes } = all.result();
      return {
        scores: renamed(percentages(summary), kept?.summary),
        classes: new Map(classes.map(({ label, scores }) => [label, renamed(percentages(scores), kept?.classes)])),
      };
    },
  };
}

/** Shares of 1 as percentages; counts stay. */
function percentages(scores: ScoreTable): ScoreTable {
  const scaled = Object.entries(scores).map(([name, value]) => [
    name,
    value === null || metric(name).count ? value : 100 * value,
  ]);
  return Object.fromEntries(scaled) as ScoreTable;
}

function renamed(scores: ScoreTable, names: Names | undefined): ScoreTable {
  if (!names) return scores;
  return Object.fromEntries(Object.entries(names).map(([from, to]) => [to, scores[from]]));
}

function missing(name: string, form: Task, what: string): InputError {
  return new InputError({ where: name, expected: `${what} in the ${form} form`, found: "none" });
}
