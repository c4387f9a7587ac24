/** @file What an evaluation finds, as plain data: what JSON holds, tables show and training compares. */

import type { Image } from "../core/image.js";
import type { BadFile } from "../data/source.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";
import type { Prediction as FullPrediction } from "../predict/predictor.js";
import type { ScoreTable } from "./metrics.js";

/** What a model says about one image, at the size of the upright image, in the forms that were asked for. */
export type Prediction = Omit<FullPrediction, "confidence"> & Partial<Pick<FullPrediction, "confidence">>;

/** Segments an image in the forms that are asked for, as `Predictor.predict` does. */
export type Predict = (image: Image, forms: ReadonlySet<Task>) => Promise<Prediction>;

/** The score by which checkpoints of a task are compared. */
export const DECIDING = { panoptic: "pq", instance: "ap", semantic: "miou" } as const satisfies Record<Task, string>;

/** A class with its scores in percent. */
export interface EvaluatedClass extends SegmentationClass {
  readonly scores: ScoreTable;
}

/** What the predictions for one image are worth. */
export interface ImageScore {
  /** In the source. */
  readonly index: number;
  readonly name: string;
  /**
   * The deciding score of this image alone; null when it has nothing to find. To compare images by: the score of a set
   * is no mean of these.
   */
  readonly score: number | null;
}

/** What `evaluate` found, in percent. */
export interface Evaluation {
  readonly task: Task;
  /** In percent, decides which of two checkpoints is better: larger is. Null when no class has ground truth. */
  readonly deciding: { readonly metric: (typeof DECIDING)[Task]; readonly value: number | null };
  /** In percent, as all scores here. */
  readonly scores: ScoreTable;
  /** One a class, in their order. */
  readonly classes: readonly EvaluatedClass[];
  /** One an image that could be read, in the order of the source. */
  readonly images: readonly ImageScore[];
  /** Images that could not be read, or whose labels could not. */
  readonly skipped: readonly BadFile[];
  /** What explains poor scores. */
  readonly warnings: readonly string[];
}
