/** @file The transformer encoder of DETR (Carion et al. 2020): every position of a map attends to all others. */

import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { multiHeadAttention } from "../nn/attention.js";
import { feedForward, layerNorm, residual } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import type { DecoderLayerOptions } from "./decoder-layer.js";

export interface EncoderOptions extends DecoderLayerOptions {
  layers: number;
  recomputeLayers?: boolean;
}

/** `layers.0` .. and, where the norms go first, a last `norm`: tokens [N, S, C] and their positions [S, C] -> [N, S, C]. */
export function transformerEncoder(p: Scope, tokens: Tensor, positions: Tensor, options: EncoderOptions): Tensor {
  let x = tokens;
  for (let i = 0; i < options.layers; i++) {
    const input = x;
    const layer = () => [encoderLayer(p.in("layers", i), input, positions, options)];
    [x] = options.recomputeLayers ? recompute(x.graph, layer) : layer();
  }
  return options.preNorm ? layerNorm(p.in("norm"), x) : x;
}

function encoderLayer(p: Scope, x: Tensor, positions: Tensor, options: DecoderLayerOptions): Tensor {
  const { heads, feedForwardDim, preNorm = false } = options;
  const y = residual(p.in("norm1"), x, preNorm, (value) => {
    const query = g.add(value, positions);
    return multiHeadAttention(p.in("self_attn"), { query, key: query, value }, heads);
  });
  return residual(p.in("norm2"), y, preNorm, (z) => feedForward(p, z, feedForwardDim));
}
