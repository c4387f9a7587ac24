/** @file What the criterion is told: weights and points of its losses, sizes of a micro-batch, and what the batch is divided by. */

import type { Grid } from "../core/tensor-data.js";
import type { LossWeights } from "../losses/matching-cost.js";
import type { PointOptions } from "../losses/points.js";

export interface CriterionOptions extends PointOptions {
  readonly weights: LossWeights;
  /** Weight of "no object" in the classification loss; every class has 1. */
  readonly noObject: number;
}

/** Sizes of one micro-batch. */
export interface CriterionShape {
  readonly images: number;
  readonly queries: number;
  readonly classes: number;
  /** Network input. */
  readonly size: Grid;
  /** Mask logits. */
  readonly maskSize: Grid;
}

/** What the losses of a batch are divided by; the same for all its micro-batches. */
export interface Normalisers {
  /** max(1, objects in the batch) */
  readonly masks: number;
  /** Sum of the class weights of all queries of the batch. */
  readonly classWeights: number;
}

/** The normalisers of a batch from the number of objects of each image (one worker: reference, 4.3 and 4.4). */
export function normalisersOf(counts: readonly number[], queries: number, noObject: number): Normalisers {
  const objects = counts.reduce((a, b) => a + b, 0);
  const classWeights = counts.reduce((sum, n) => {
    const matched = Math.min(n, queries);
    return sum + matched + (queries - matched) * noObject;
  }, 0);
  return { masks: Math.max(1, objects), classWeights };
}

/** Random points (x, y) in [0, 1), drawn anew for every supervised output; `image` counts within the micro-batch. */
export interface PointDraws {
  matching(output: number, image: number, out: Float32Array): void;
  candidates(output: number, image: number, pair: number, out: Float32Array): void;
  uniform(output: number, image: number, pair: number, out: Float32Array): void;
}
