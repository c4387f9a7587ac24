/** @file Buffers that a whole model has in other implementations and that follow from its weights and its training. */

import { type TensorData, zeros } from "../core/tensor-data.js";
import type { ModelFacts } from "./model-facts.js";
import type { Weights } from "./target.js";

/**
 * The classes' weights in the loss (1, and what is known for "no object"; none where nobody knows), and for windows of
 * a Swin Transformer which entry of the bias table belongs to a pair of tokens. Those that are there already are left
 * out.
 */
export function derivedBuffers(weights: Weights, { criterion }: ModelFacts): Map<string, TensorData> {
  const derived = new Map<string, TensorData>();
  const add = (name: string, make: () => TensorData) => {
    if (!weights.has(name)) derived.set(name, make());
  };
  for (const [name, { shape }] of weights) {
    if (criterion && name.endsWith(".class_embed.bias"))
      add("criterion.empty_weight", () => classWeights(shape[0], criterion.noObject));
    if (name.endsWith(".relative_position_bias_table")) {
      add(name.replace(/bias_table$/, "index"), () => relativeIndex((Math.sqrt(shape[0]) + 1) / 2));
    }
  }
  return derived;
}

/** [classes + 1]: ones, and the weight of "no object". */
function classWeights(classes: number, noObject: number): TensorData {
  const weights = zeros("float32", [classes]);
  weights.data.fill(1).fill(noObject, classes - 1);
  return weights;
}

/** [window^2, window^2]: (y_i - y_j + w - 1) (2 w - 1) + (x_i - x_j + w - 1), tokens row by row. */
function relativeIndex(window: number): TensorData {
  const tokens = window * window;
  const index = zeros("int64", [tokens, tokens]);
  for (let i = 0; i < tokens; i++) {
    for (let j = 0; j < tokens; j++) {
      const dy = Math.floor(i / window) - Math.floor(j / window) + window - 1;
      const dx = (i % window) - (j % window) + window - 1;
      index.data[i * tokens + j] = BigInt(dy * (2 * window - 1) + dx);
    }
  }
  return index;
}
