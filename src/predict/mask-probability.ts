/** @file The probability of a mask's logit, exact where it is small. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/**
 * 1 / (1 + exp(-x)). ONNX Runtime's Sigmoid has an absolute error of 1e-7, which is some percent of what is left at
 * logits of -12; where no query is sure of a pixel, such remainders decide whose it is.
 */
export const maskProbability = (logits: Tensor): Tensor => g.div(1, g.add(g.exp(g.neg(logits)), 1));
