/** @file How predicted masks are compared with objects, in the matching and in the loss; a family of models chooses. */

import type { Tensor } from "../graph/graph.js";
import { sigmoidCrossEntropy } from "./mask-loss.js";
import { meanCrossEntropyCost } from "./matching-cost.js";

/** What stands beside the dice loss, and where both are taken. */
export interface MaskComparison {
  /**
   * "points": in the matching at random points of each image, in the loss at random points of each pair, most of them
   * uncertain. "pixels": in the matching at every cell of the prediction, in the loss at every pixel of the network's
   * input.
   */
  readonly at: "points" | "pixels";
  /** Of the matching: logits [N, P, Q] and objects [N, P, T] at P places -> [N, Q, T]. */
  readonly cost: (logits: Tensor, objects: Tensor) => Tensor;
  /** Of the loss: logits and labels [M, P] of M pairs at P places -> [M]. */
  readonly loss: (logits: Tensor, labels: Tensor) => Tensor;
}

/** Mask2Former's: binary cross-entropy at points (matcher.py and criterion.py). */
export const POINTWISE_CROSS_ENTROPY: MaskComparison = {
  at: "points",
  cost: meanCrossEntropyCost,
  loss: sigmoidCrossEntropy,
};
