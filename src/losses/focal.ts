/**
 * @file Sigmoid focal loss of masks (Lin et al. 2017; alpha 0.25, gamma 2), as MaskFormer matches and trains with it.
 */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import type { MaskComparison } from "./mask-comparison.js";
import { column } from "./matching-cost.js";
import { softplus } from "./softplus.js";

const ALPHA = 0.25;

/** p^2 softplus(x) with p = sigmoid(x): the focal loss of a logit whose label is 0, without its weight. */
function focalTerm(logits: Tensor): Tensor {
  const p = g.sigmoid(logits);
  return g.mul(g.mul(p, p), softplus(logits));
}

/** Mean over places of the focal loss: logits and labels (0 or 1) [M, P] -> [M]. */
function sigmoidFocal(logits: Tensor, labels: Tensor): Tensor {
  // A label of 1 turns the sign: (1 - p)^2 softplus(-x) is the term of -x.
  const towards = g.mul(logits, g.sub(1, g.mul(labels, 2)));
  const weights = g.add(g.mul(labels, 2 * ALPHA - 1), 1 - ALPHA);
  return g.reduceMean(g.mul(weights, focalTerm(towards)), [1]);
}

/**
 * The same of each pair of query and object: logits [N, P, Q] and objects [N, P, T] -> [N, Q, T]. With the terms of a
 * label of 1 and of 0, sum inside t + outside (1 - t) = sum (inside - outside) t + sum outside.
 */
function focalCost(logits: Tensor, objects: Tensor): Tensor {
  const [, places] = logits.shape;
  const p = g.sigmoid(logits);
  const q = g.sub(1, p);
  const loss = softplus(logits);
  const inside = g.mul(g.mul(g.mul(q, q), g.sub(loss, logits)), ALPHA); // softplus(-x) = softplus(x) - x
  const outside = g.mul(g.mul(g.mul(p, p), loss), 1 - ALPHA);
  const ofObjects = g.matMul(g.sub(inside, outside), objects, { transA: true });
  return g.mul(g.add(ofObjects, column(g.reduceSum(outside, [1]))), 1 / places);
}

/** MaskFormer's: the focal loss at every pixel. */
export const PIXELWISE_FOCAL: MaskComparison = { at: "pixels", cost: focalCost, loss: sigmoidFocal };
