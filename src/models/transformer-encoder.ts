/** @file The transformer encoder of DETR (Carion et al. 2020): every position of a map attends to all others. */

import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { multiHeadAttention } from "../nn/attention.js";
import { type Dropout, NO_DROPOUT } from "../nn/dropout.js";
import { feedForward, layerNorm, residual } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import type { DecoderLayerOptions } from "./decoder-layer.js";

export interface EncoderOptions extends DecoderLayerOptions {
  layers: number;
  recomputeLayers?: boolean;
}

/**
 * `layers.0` .. and, where the norms go first, a last `norm`: tokens [N, S, C] and their positions [S, C] -> [N, S, C].
 */
export function transformerEncoder(
  p: Scope,
  tokens: Tensor,
  positions: Tensor,
  options: EncoderOptions,
  dropout = NO_DROPOUT,
): Tensor {
  let x = tokens;
  for (let i = 0; i < options.layers; i++) {
    const input = x;
    const layer = () => [encoderLayer(p.in("layers", i), input, positions, options, dropout.in("layer", i))];
    [x] = options.recomputeLayers ? recompute(x.graph, layer) : layer();
  }
  return options.preNorm ? layerNorm(p.in("norm"), x) : x;
}

function encoderLayer(
  p: Scope,
  x: Tensor,
  positions: Tensor,
  { heads, feedForwardDim, preNorm = false }: DecoderLayerOptions,
  dropout: Dropout,
): Tensor {
  const y = residual(p.in("norm1"), x, preNorm, (value) => {
    const query = g.add(value, positions);
    const inputs = { query, key: query, value, dropout: dropout.at("self-attention") };
    return dropout.apply(multiHeadAttention(p.in("self_attn"), inputs, heads), "after self-attention");
  });
  return residual(p.in("norm2"), y, preNorm, (z) =>
    dropout.apply(feedForward(p, z, feedForwardDim, dropout), "after feed-forward"),
  );
}
