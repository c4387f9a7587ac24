/** @file The cost of assigning predictions to objects (Mask2Former's HungarianMatcher; mask-classification reference, 4.2). */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { samplePoints } from "../nn/sampling.js";
import { softplus } from "./softplus.js";

/** Weights of the three parts, of the cost and of the loss alike. */
export interface LossWeights {
  readonly class: number;
  readonly mask: number;
  readonly dice: number;
}

export interface MatchingInputs {
  /** [N, Q, K+1] */
  logits: Tensor;
  /** [N, Q, h, w] */
  masks: Tensor;
  /** Where masks are compared, (x, y) in [0,1]: [N, P, 2]. */
  points: Tensor;
  /** The objects' masks at those points: [N, P, T]. */
  objects: Tensor;
  /** One-hot classes of the objects: [N, K+1, T]. */
  classes: Tensor;
}

/**
 * Cost of each pair of query and object, [N, Q, T]:
 * class * -softmax(logits)[label] + mask * mean BCE + dice * (1 - (2 sum s t + 1) / (sum s + sum t + 1)).
 */
export function matchingCost(
  { logits, masks, points, objects, classes }: MatchingInputs,
  weights: LossWeights,
): Tensor {
  const [n, q] = logits.shape;
  const [, p, t] = objects.shape;
  const sampled = samplePoints(masks, points); // [N, P, Q]
  const sumOverPoints = (x: Tensor, width: number) => g.reshape(g.reduceSum(x, [1]), [n, width]);
  const perQuery = (x: Tensor) => g.reshape(sumOverPoints(x, q), [n, q, 1]);
  const agreement = (x: Tensor) => g.matMul(x, objects, { transA: true }); // [N, Q, T]
  // softplus(-x) t + softplus(x) (1 - t) = softplus(x) - x t
  const mask = g.mul(g.sub(perQuery(softplus(sampled)), agreement(sampled)), 1 / p);
  const probabilities = g.sigmoid(sampled);
  const sizes = g.add(perQuery(probabilities), g.reshape(sumOverPoints(objects, t), [n, 1, t]));
  const dice = g.sub(1, g.div(g.add(g.mul(agreement(probabilities), 2), 1), g.add(sizes, 1)));
  const label = g.matMul(g.softmax(logits), classes);
  return g.sub(g.add(g.mul(mask, weights.mask), g.mul(dice, weights.dice)), g.mul(label, weights.class));
}
