/** @file What evaluates one form of output; an evaluation runs several scorers, all over the same images. */

import type { RunLengths } from "../masks/run-lengths.js";
import type { InstanceSet, PanopticMap, SemanticMap, Task } from "../masks/segmentation.js";
import type { Prediction } from "./evaluation.js";
import type { ScoreTable } from "./metrics.js";

/** The labels of one image, in the forms that the scorers need. */
export interface Truth {
  readonly semantic?: SemanticMap;
  readonly panoptic?: PanopticMap;
  readonly instances?: InstanceSet;
  /** Of Cityscapes, see `CityscapesLabels`. */
  readonly ignored?: RunLengths;
  readonly objects?: InstanceSet;
}

export interface Result {
  readonly scores: ScoreTable;
  /** By label; classes that it does not judge may be absent. */
  readonly classes: ReadonlyMap<number, ScoreTable>;
}

/** Keeps sums over the images seen, never the images. */
export interface Scorer {
  /** The form of the labels that it needs, and of the prediction that it judges. */
  readonly form: Task;
  /** What it needs of Cityscapes besides. */
  readonly needs?: "ignored" | "objects";
  /**
   * Takes one image into the sums, `name` in errors; returns the deciding score of that image alone, in percent, null
   * if it has none.
   */
  add(name: string, truth: Truth, prediction: Prediction): number | null;
  result(): Result;
}
