/** @file What a run trains on and is scored on: the one place that decides whether data can be used for that. */

import { InputError } from "../../core/errors.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { show } from "../../core/show.js";
import type { SegmentationClass, Task } from "../../masks/segmentation.js";
import type { DataSet } from "./data-set.js";
import { openSplitOf } from "./open-data.js";
import type { LabelledSplit } from "./split.js";
import {
  type LabelShare,
  labelledSubset,
  labelledSubsetOf,
  nothingToLearn,
  seekTarget,
  trainableImages,
} from "./subset.js";

export interface TrainingSplitsOptions {
  readonly task: Task;
  readonly trainSplit: string;
  /** Null: the run is not evaluated. */
  readonly valSplit: string | null;
  /** How much of the labels is used, and the seed that chooses; default all. */
  readonly labels?: { readonly share: LabelShare; readonly seed: number };
  /** How a split is opened; default from its files. */
  readonly open?: (split: string, task: Task) => Promise<LabelledSplit>;
  readonly reporter?: Reporter;
}

export interface TrainingSplits {
  /** Images to train on. */
  readonly train: LabelledSplit;
  /** Images of the split that they were chosen from. */
  readonly labelled: number;
  /** Undefined when there is none for the task. */
  readonly val?: LabelledSplit;
  /** What a run with them will not do, though it was asked for. */
  readonly notes: readonly string[];
}

/**
 * Opens what a run trains on and is scored on. `data check` says of data what this says.
 * @throws InputError when no image can be trained on, when none of `valSplit` can be used, or its classes are others
 */
export async function openTrainingSplits(dataSet: DataSet, options: TrainingSplitsOptions): Promise<TrainingSplits> {
  const { task, trainSplit, valSplit, labels, reporter = SILENT } = options;
  const open = options.open ?? ((split, form) => openSplitOf(dataSet, split, form));
  const all = await open(trainSplit, task);
  const share = labels ? labelledSubset(all, labels.share, labels.seed) : all;
  const reading = reporter.begin("Reading labels", share.length);
  const kept = await trainableImages(share, (done) => reading.update(done)).finally(() => reading.end());
  const train = labelledSubsetOf(share, kept);
  const data = { train, labelled: all.length, notes: [] };
  if (valSplit === null) return data;
  if (!dataSet.splits.includes(valSplit) || !dataSet.tasks(valSplit).includes(task)) {
    const lacking = dataSet.splits.includes(valSplit) ? `${task} labels in the split` : "split";
    return { ...data, notes: [`No ${lacking} "${valSplit}": a run is not evaluated (data.valSplit).`] };
  }
  const val = await open(valSplit, task);
  requireSameClasses(dataSet, train.classes, val.classes, valSplit);
  await val.openForms();
  const seen = await seekTarget(val, Array(val.length).keys());
  if (!seen) return { ...data, val };
  const problem = nothingToLearn(task, seen, `the ${task} labels of ${valSplit}`);
  if (seen.empty === 0) throw problem;
  return { ...data, val, notes: [`Scores will not be defined. ${problem.message}`] };
}

/** Refuses a split whose labels would be other classes than those that are trained. */
export function requireSameClasses(
  { where }: DataSet,
  trained: readonly SegmentationClass[],
  others: readonly SegmentationClass[],
  split: string,
): void {
  const at = Array.from({ length: Math.max(trained.length, others.length) }, (_, i) => i).find((i) => {
    const [a, b] = [trained[i], others[i]];
    return a?.id !== b?.id || a?.name !== b?.name || a?.isThing !== b?.isThing;
  });
  if (at === undefined) return;
  const nameOf = (entry: SegmentationClass | undefined) =>
    entry ? `${entry.id} ${show(entry.name)}, ${entry.isThing ? "a thing" : "stuff"}` : "none";
  throw new InputError({
    where: `${where} ${split}`,
    expected: `the ${trained.length} classes that are trained (number ${at + 1} is ${nameOf(trained[at])})`,
    found: `${others.length} (number ${at + 1} is ${nameOf(others[at])})`,
    fix: "Give the files of all splits the same categories, or name the classes in a data.yaml.",
  });
}
