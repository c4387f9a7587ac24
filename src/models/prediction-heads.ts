/**
 * @file The heads of mask classification: of each query the classes and an embedding, whose products with the features
 * are masks.
 */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { linear, perceptron } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";

export interface Prediction {
  /** [N, Q, classes + 1]; the last class is "no object". */
  logits: Tensor;
  /** Mask logits at stride 4, [N, Q, H/4, W/4]. */
  masks: Tensor;
}

export interface PredictionHeadOptions {
  hiddenDim: number;
  /** Width of the mask features and embeddings. */
  maskDim: number;
  /** Classes without "no object". */
  classes: number;
}

/** Queries [N, Q, hiddenDim] -> class logits [N, Q, classes + 1] and mask embeddings [N, Q, maskDim]. */
export function predictionHeads(
  p: Scope,
  queries: Tensor,
  { hiddenDim, maskDim, classes }: PredictionHeadOptions,
): { logits: Tensor; embeddings: Tensor } {
  const logits = linear(p.in("class_embed"), queries, classes + 1);
  return { logits, embeddings: perceptron(p.in("mask_embed"), queries, [hiddenDim, hiddenDim, maskDim]) };
}

/** Mask logits [N, Q, h * w]: the product of each embedding [N, Q, C] with the features [N, C, h, w]. */
export function maskProducts(embeddings: Tensor, features: Tensor): Tensor {
  const [n, channels] = features.shape;
  return g.matMul(embeddings, g.reshape(features, [n, channels, -1]));
}

/** Mask logits as maps [N, Q, h, w]. */
export function maskLogits(embeddings: Tensor, features: Tensor): Tensor {
  const [n, q] = embeddings.shape;
  return g.reshape(maskProducts(embeddings, features), [n, q, ...features.shape.slice(2)]);
}
