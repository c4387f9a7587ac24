/** @file The cost of assigning predictions to objects (HungarianMatcher in Mask2Former's matcher.py). */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { softplusSum } from "./softplus.js";

/** Weights of the three parts, of the cost and of the loss alike. */
export interface LossWeights {
  readonly class: number;
  readonly mask: number;
  readonly dice: number;
}

export interface MatchingInputs {
  /** [N, Q, K+1] */
  logits: Tensor;
  /** Mask logits at P places where masks are compared: [N, P, Q]. */
  masks: Tensor;
  /** The objects' masks at those places: [N, P, T]. */
  objects: Tensor;
  /** One-hot classes of the objects: [N, K+1, T]. */
  classes: Tensor;
}

/** [N, W] -> [N, W, 1] */
export const column = (x: Tensor) => g.reshape(x, [...x.shape, 1]);

/** sum over places of x t: [N, P, Q] and [N, P, T] -> [N, Q, T] */
const agreement = (x: Tensor, objects: Tensor) => g.matMul(x, objects, { transA: true });

/** Mean over the places of softplus(-x) t + softplus(x) (1 - t) = softplus(x) - x t. */
export function meanCrossEntropyCost(masks: Tensor, objects: Tensor): Tensor {
  return g.mul(g.sub(column(softplusSum(masks, 1)), agreement(masks, objects)), 1 / masks.shape[1]);
}

/**
 * Cost of each pair of query and object, [N, Q, T]:
 * class * -softmax(logits)[label] + mask * maskCost + dice * (1 - (2 sum s t + 1) / (sum s + sum t + 1)).
 */
export function matchingCost(
  { logits, masks, objects, classes }: MatchingInputs,
  weights: LossWeights,
  maskCost: (masks: Tensor, objects: Tensor) => Tensor,
): Tensor {
  const [n, , t] = objects.shape;
  const mask = maskCost(masks, objects);
  const probabilities = g.sigmoid(masks);
  const sizes = g.add(column(g.reduceSum(probabilities, [1])), g.reshape(g.reduceSum(objects, [1]), [n, 1, t]));
  const dice = g.sub(1, g.div(g.add(g.mul(agreement(probabilities, objects), 2), 1), g.add(sizes, 1)));
  const label = g.matMul(g.softmax(logits), classes);
  return g.sub(g.add(g.mul(mask, weights.mask), g.mul(dice, weights.dice)), g.mul(label, weights.class));
}
