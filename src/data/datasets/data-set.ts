/** @file A data set that was found: its splits, and what each can be opened for. */

import type { Task } from "../../masks/segmentation.js";
import type { LabelledSplit } from "./split.js";

/** The splits that a run uses unless its settings say otherwise. */
export const USUAL_SPLITS = { train: "train", val: "val" } as const;

export interface DataSet {
  readonly name: string;
  /** "ADE20K", "Cityscapes", "COCO" or "generic". */
  readonly format: string;
  /** Folder or file that the user named. */
  readonly where: string;
  /** "train", "val", ... in the order of use. */
  readonly splits: readonly string[];
  /** The tasks that a split has labels for. */
  tasks(split: string): readonly Task[];
  open(split: string, task: Task): Promise<LabelledSplit>;
}
