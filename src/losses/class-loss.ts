/** @file The classification loss of queries (loss_labels in Mask2Former's criterion.py). */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/**
 * -sum of weights * log softmax(logits): cross-entropy for weights [N, Q, K+1] that hold, at each query's class, the
 * class's weight over the sum of the weights of all queries, and zero elsewhere.
 */
export function weightedCrossEntropy(logits: Tensor, weights: Tensor): Tensor {
  return g.neg(g.reduceSum(g.mul(g.logSoftmax(logits), weights)));
}
