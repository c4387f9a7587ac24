/** @file Step 3 of the method: what the predictor has to predict. */

import type { Tensor } from "../graph/graph.js";
import { standardize, toTokens } from "../nn/layers.js";

/** T: layer norm over the channels of each position of the target encoder's F_i1, no affine. [N,C,h,w] -> [N,h*w,C]. */
export function targetTokens(features: Tensor): Tensor {
  return standardize(toTokens(features))[0];
}
