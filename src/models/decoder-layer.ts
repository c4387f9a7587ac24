/** @file The layers of Mask2Former's transformer decoder: cross-attention, self-attention, feed-forward. */

import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { multiHeadAttention } from "../nn/attention.js";
import { feedForward, residual } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";

export interface DecoderLayerOptions {
  heads: number;
  feedForwardDim: number;
  preNorm?: boolean;
}

export interface DecoderState {
  /** Query content [N, Q, C]. */
  content: Tensor;
  /** Query position, broadcast to the content. */
  position: Tensor;
}

/** What a layer of masked attention starts from. */
export interface MaskedState {
  /** Query content [N, Q, C]. */
  content: Tensor;
  /** Query position, broadcast to the content; absent where queries have none. */
  position?: Tensor;
  /** Mask of the self-attention added to the logits, [1, Q, Q]; absent where every query sees every other. */
  selfBias?: Tensor;
}

export interface Memory {
  /** [N, S, C] */
  values: Tensor;
  /** Values plus their position embedding. */
  keys: Tensor;
  /** Attention mask added to the logits, [N * heads, Q, S]. */
  bias?: Tensor;
}

/** Layer i under sem_seg_head.predictor; returns the new content [N, Q, C]. */
function decoderLayer(
  p: Scope,
  i: number,
  { content, position, selfBias }: MaskedState,
  { values, keys, bias }: Memory,
  { heads, feedForwardDim, preNorm = false }: DecoderLayerOptions,
): Tensor {
  const placed = (y: Tensor) => (position ? g.add(y, position) : y);
  const cross = p.in("transformer_cross_attention_layers", i);
  const self = p.in("transformer_self_attention_layers", i);
  const ffn = p.in("transformer_ffn_layers", i);
  let x = residual(cross.in("norm"), content, preNorm, (y) =>
    multiHeadAttention(cross.in("multihead_attn"), { query: placed(y), key: keys, value: values, bias }, heads),
  );
  x = residual(self.in("norm"), x, preNorm, (y) => {
    const query = placed(y);
    return multiHeadAttention(self.in("self_attn"), { query, key: query, value: y, bias: selfBias }, heads);
  });
  return residual(ffn.in("norm"), x, preNorm, (y) => feedForward(ffn, y, feedForwardDim));
}

/**
 * Layers 0 .. layers - 1 under sem_seg_head.predictor, one after another; `memory` tells what layer i attends to, given
 * the content before it. Returns the content after the last, [N, Q, C].
 */
export function decoderLayers(
  p: Scope,
  { content, ...others }: MaskedState,
  memory: (layer: number, content: Tensor) => Memory,
  { layers, recomputeLayers, ...options }: DecoderLayerOptions & { layers: number; recomputeLayers?: boolean },
): Tensor {
  let x = content;
  for (let i = 0; i < layers; i++) {
    const state = { content: x, ...others };
    const attended = memory(i, x);
    const layer = () => [decoderLayer(p, i, state, attended, options)];
    [x] = recomputeLayers ? recompute(x.graph, layer) : layer();
  }
  return x;
}
