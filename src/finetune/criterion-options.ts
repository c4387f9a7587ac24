/**
 * @file What the criterion is told: weights and points of its losses, sizes of a micro-batch, and what the batch is
 * divided by.
 */

import type { Grid } from "../core/tensor-data.js";
import { type GivenObjects, NO_OBJECT } from "../families/training.js";
import type { MaskComparison } from "../losses/mask-comparison.js";
import type { LossWeights } from "../losses/matching-cost.js";
import type { PointOptions } from "../losses/points.js";

export interface CriterionOptions extends PointOptions {
  readonly weights: LossWeights;
  /** Weight of "no object" in the classification loss; every class has 1. */
  readonly noObject: number;
}

/** Sizes of one micro-batch, and how masks are compared in it. */
export interface CriterionFrame {
  readonly images: number;
  /** Of the predictions that objects are matched to. */
  readonly queries: number;
  readonly classes: number;
  /** Network input. */
  readonly size: Grid;
  /** Mask logits. */
  readonly maskSize: Grid;
  readonly comparison: MaskComparison;
}

/** What the losses of a group of predictions are divided by; the same for all micro-batches of a batch. */
export interface Normalisers {
  /** max(1, objects in the batch), times the queries that each is given to. */
  readonly masks: number;
  /** Sum of the class weights of all supervised queries of the batch. */
  readonly classWeights: number;
}

const objectsIn = (counts: readonly number[]) =>
  Math.max(
    1,
    counts.reduce((a, b) => a + b, 0),
  );

/** Where objects are matched: from the number of objects of each image (as one worker of the official code does). */
export function normalisersOf(counts: readonly number[], queries: number, noObject: number): Normalisers {
  const classWeights = counts.reduce((sum, n) => {
    const matched = Math.min(n, queries);
    return sum + matched + (queries - matched) * noObject;
  }, 0);
  return { masks: objectsIn(counts), classWeights };
}

/** Where objects are given to queries. Without a supervised query the losses are 0, whatever they are divided by. */
export function normalisersOfGiven(
  counts: readonly number[],
  { queries, repeats }: GivenObjects,
  noObject: number,
): Normalisers {
  const weights = queries.map((numbers) =>
    numbers.reduce((sum, number) => sum + (number >= 0 ? 1 : number === NO_OBJECT ? noObject : 0), 0),
  );
  const classWeights = weights.reduce((a, b) => a + b, 0);
  return { masks: objectsIn(counts) * Math.max(1, repeats), classWeights: classWeights > 0 ? classWeights : 1 };
}

/** Random points (x, y) in [0, 1), drawn anew for every supervised output; `image` counts within the micro-batch. */
export interface PointDraws {
  matching(output: number, image: number, out: Float32Array): void;
  candidates(output: number, image: number, pair: number, out: Float32Array): void;
  uniform(output: number, image: number, pair: number, out: Float32Array): void;
}
