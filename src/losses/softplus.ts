/** @file log(1 + exp(x)), the loss of a logit whose label is 0. */

import * as g from "../graph/build.js";
import { withGradient } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";

/**
 * softplus(x) = max(x, 0) - log(sigmoid(|x|)), which cannot overflow; its gradient is sigmoid(x).
 * ONNX Runtime's own Softplus computes one number at a time and takes six times as long.
 */
export function softplus(x: Tensor): Tensor {
  const forward = () => [g.sub(g.relu(x), g.log(g.sigmoid(g.max(x, g.neg(x)))))];
  const [y] = withGradient(x.graph, forward, ([dy], into) => {
    if (dy) into.accumulate(x, g.mul(dy, g.sigmoid(x)));
  });
  return y;
}

/** Factors of at least 1/2 that a product may have, far from the smallest normal float32, 2^-126. */
const MOST_FACTORS = 64;

/** Products of up to MOST_FACTORS values along an axis each, whose size is divided as often as it is even. */
function productsAlong(x: Tensor, axis: number): Tensor {
  let product = x;
  for (let factors = 2; factors <= MOST_FACTORS && product.shape[axis] % 2 === 0; factors *= 2) {
    const half = product.shape[axis] / 2;
    const [first, second] = g.split(product, axis, [half, half]);
    product = g.mul(first, second);
  }
  return product;
}

/**
 * The sum of softplus over an axis, which is gone. Here log(a) + log(b) = log(a b): ONNX Runtime's Log computes one
 * number at a time, and sigmoid(|x|) is at least 1/2.
 */
export function softplusSum(x: Tensor, axis: number): Tensor {
  const forward = () => {
    const likely = productsAlong(g.sigmoid(g.max(x, g.neg(x))), axis);
    return [g.sub(g.reduceSum(g.relu(x), [axis]), g.reduceSum(g.log(likely), [axis]))];
  };
  const kept = x.shape.map((d, i) => (i === axis ? 1 : d));
  const [y] = withGradient(x.graph, forward, ([dy], into) => {
    if (dy) into.accumulate(x, g.mul(g.reshape(dy, kept), g.sigmoid(x)));
  });
  return y;
}
