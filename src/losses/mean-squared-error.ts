/** @file The one loss of Mask-JEPA, used for features and for noise. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/** Mean of (a - b)^2 over all elements: a scalar. */
export function meanSquaredError(a: Tensor, b: Tensor): Tensor {
  const difference = g.sub(a, b);
  return g.reduceMean(g.mul(difference, difference));
}
