/**
 * @file What the training of a family adds to the network that predicts: inputs that are drawn, what an image is to be
 * segmented into where that is not what the labels say, and objects that are given to queries in place of being
 * matched.
 */

import type { DType, Grid, Shape, TensorData } from "../core/tensor-data.js";
import type { SegmentationClass, Target, Task } from "../masks/segmentation.js";

/** An input of a graph beside images and weights. */
export interface OwnInput {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Sizes of one forward and backward pass. */
export interface MicroBatchShape {
  readonly images: number;
  /** Network input, multiples of 32. */
  readonly size: Grid;
}

/** What a family may know of a class. */
export type ClassFacts = Pick<SegmentationClass, "name" | "isThing">;

/** A batch of training before anything is drawn for it. */
export interface TrainingBatch {
  /** Everything random is a function of these, the number of the image in the batch and the purpose. */
  readonly seed: number;
  readonly step: number;
  /** Of each image, what the labels say. */
  readonly objects: readonly (readonly Target[])[];
  readonly classes: readonly ClassFacts[];
  /** What the labels are for. */
  readonly task: Task;
  readonly size: MicroBatchShape["size"];
}

/** A query that is to predict "no object", in the place of an object's number. */
export const NO_OBJECT = -1;
/** A query that no loss is taken of. */
export const UNSUPERVISED = -2;

/** What the queries of a group with given objects are to predict. */
export interface GivenObjects {
  /** Of each image of the batch, for each query: the number of one of its objects, NO_OBJECT or UNSUPERVISED. */
  readonly queries: readonly Int32Array[];
  /** Queries that each object is given to: the mask losses are a mean over as many times the batch's objects. */
  readonly repeats: number;
}

/** A batch of training with all that was drawn for it. */
export interface DrawnBatch {
  /** Of each image, what it is to be segmented into. */
  readonly objects: readonly (readonly Target[])[];
  /** By the names of the groups whose objects are given. */
  readonly given: ReadonlyMap<string, GivenObjects>;
  /** Values of the inputs for images `first` .. `first + count - 1` of the batch, in the room that they fit in. */
  inputs(first: number, count: number): ReadonlyMap<string, TensorData["data"]>;
  /** Which of `Training.rooms` that is; absent where there is one. */
  room?(first: number, count: number): number;
}

/** What a family adds to the network while it trains. */
export interface Training<Model> {
  /** The model with the room in its inputs that these classes take; absent where that does not depend on them. */
  fit?(model: Model, classes: readonly ClassFacts[]): Promise<Model>;
  /** What images are for where that is not just what their labels are for, in a sentence. */
  aim?(task: Task): string;
  /**
   * The model with ever more room in the inputs of a micro-batch, of which each takes the first that it fits in; the
   * last has room for everything. Absent where the inputs have one size.
   */
  rooms?(model: Model, images: number): readonly Model[];
  /** Inputs of a micro-batch by name. */
  inputs(model: Model, shape: MicroBatchShape): ReadonlyMap<string, OwnInput>;
  draw(model: Model, batch: TrainingBatch): DrawnBatch | Promise<DrawnBatch>;
}

/** A batch of a family that draws nothing. */
export const undrawn = ({ objects }: Pick<TrainingBatch, "objects">): DrawnBatch => ({
  objects,
  given: new Map(),
  inputs: () => new Map(),
});
