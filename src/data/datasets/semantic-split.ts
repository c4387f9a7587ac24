/**
 * @file A split of any data set with a class for every pixel: its own semantic labels, or those that follow from
 * others.
 */

import { InputError } from "../../core/errors.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import { type DataSet, USUAL_SPLITS } from "./data-set.js";
import { semanticOfInstances } from "./derived-labels.js";
import { openSplitOf } from "./open-data.js";
import type { LabelledSplit } from "./split.js";
import { requireSameClasses } from "./training-splits.js";

/** What objects leave free. */
const BACKGROUND: Omit<SegmentationClass, "id"> = { name: "background", isThing: false, color: [128, 128, 128] };

/** @throws InputError for a split that is not there, cannot be opened, or has no labels */
export async function openSemanticSplit(dataSet: DataSet, split: string): Promise<LabelledSplit> {
  const tasks = dataSet.splits.includes(split) ? dataSet.tasks(split) : [];
  const opened = await openSplitOf(dataSet, split, tasks.includes("semantic") ? "semantic" : (tasks[0] ?? "semantic"));
  await opened.openForms();
  if (opened.forms.has("semantic")) return opened;
  if (!opened.forms.has("instance")) {
    const found = tasks.join(", ") || "none";
    throw new InputError({ where: `${dataSet.where} ${split}`, expected: "labels of pixels or of objects", found });
  }
  const { classes } = opened;
  const background = { ...BACKGROUND, id: Math.max(0, ...classes.map(({ id }) => id)) + 1 };
  return {
    ...opened,
    classes: [...classes, background],
    semantic: async (index) => semanticOfInstances(await opened.instances(index), classes.length),
  };
}

/**
 * Splits to learn from and to score on, of the same classes; by default "train" and the first of `scored` with labels.
 */
export async function openProbeSplits(
  dataSet: DataSet,
  { train, test, scored }: { readonly train?: string; readonly test?: string; readonly scored: readonly string[] },
): Promise<{ train: LabelledSplit; test: LabelledSplit; names: { train: string; test: string } }> {
  const hasLabels = (split: string) => dataSet.splits.includes(split) && dataSet.tasks(split).length > 0;
  const names = {
    train: train ?? USUAL_SPLITS.train,
    test: test ?? scored.find(hasLabels) ?? USUAL_SPLITS.val,
  };
  const learned = await openSemanticSplit(dataSet, names.train);
  const other = await openSemanticSplit(dataSet, names.test);
  requireSameClasses(dataSet, learned.classes, other.classes, names.test);
  return { train: learned, test: other, names };
}
