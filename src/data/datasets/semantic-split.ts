/**
 * @file A split of any data set with a class for every pixel: its own semantic labels, or those that follow from
 * others.
 */

import { InputError } from "../../core/errors.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import type { DataSet } from "./data-set.js";
import { semanticOfInstances } from "./derived-labels.js";
import { openSplitOf } from "./open-data.js";
import type { LabelledSplit } from "./split.js";

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
