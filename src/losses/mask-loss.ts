/** @file The mask losses of matched pairs at sampled points (loss_masks in Mask2Former's criterion.py). */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { softplusSum } from "./softplus.js";

/** Binary cross-entropy with logits, mean over points: logits and labels [M, P] -> [M]. */
export function sigmoidCrossEntropy(logits: Tensor, labels: Tensor): Tensor {
  // softplus(-x) t + softplus(x) (1 - t) = softplus(x) - x t
  const agreement = g.reduceSum(g.mul(logits, labels), [1]);
  return g.mul(g.sub(softplusSum(logits, 1), agreement), 1 / logits.shape[1]);
}

/** 1 - (2 sum s t + 1) / (sum s + sum t + 1) with s = sigmoid(logits): logits and labels [M, P] -> [M]. */
export function diceLoss(logits: Tensor, labels: Tensor): Tensor {
  const s = g.sigmoid(logits);
  const overlap = g.reduceSum(g.mul(s, labels), [1]);
  const sizes = g.add(g.reduceSum(s, [1]), g.reduceSum(labels, [1]));
  return g.sub(1, g.div(g.add(g.mul(overlap, 2), 1), g.add(sizes, 1)));
}
