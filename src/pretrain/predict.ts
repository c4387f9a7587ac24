/** @file Step 6 of the method: the model's own transformer decoder as the predictor of masked target features. */

import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { decoderLayer } from "../models/decoder-layer.js";
import { multiHeadAttention } from "../nn/attention.js";
import { normal } from "../nn/init.js";
import { feedForward, layerNorm, linear } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";

export interface PredictorOptions {
  heads: number;
  feedForwardDim: number;
  /** L, layers of the transformer decoder. */
  layers: number;
  /** M, self-attention blocks over the masked memory. */
  selfAttentionBlocks: number;
  /** Index of s_i1 among the strides 32, 16, 8: the level embedding of the memory. */
  level: number;
  recomputeLayers?: boolean;
}

export interface PredictorInputs {
  /** Masked features [N, P, C]. */
  memory: Tensor;
  /** Sine embedding of the memory's grid [P, C]. */
  positions: Tensor;
  /** Random content of the queries [N, Q, C]. */
  queries: Tensor;
  /** Sine embedding of the positions that are asked for, [N, Q, C] or [Q, C]. */
  queryPositions: Tensor;
}

const LEVELS = 3;

/** Predicted target features of each query, [N, Q, C]. `p` is the root scope: the decoder keeps its usual names. */
export function predict(p: Scope, inputs: PredictorInputs, options: PredictorOptions): Tensor {
  const { positions, queries, queryPositions } = inputs;
  const { heads, feedForwardDim, layers, selfAttentionBlocks, level, recomputeLayers } = options;
  const own = p.in("mask_jepa");
  const decoder = p.in("sem_seg_head", "predictor");
  const c = queries.shape[2];
  const built = (layer: () => Tensor): Tensor =>
    recomputeLayers ? recompute(queries.graph, () => [layer()])[0] : layer();
  let memory = inputs.memory;
  for (let i = 0; i < selfAttentionBlocks; i++) {
    const x = memory;
    memory = built(() => selfAttentionBlock(own.in("blocks", i), x, positions, { heads, feedForwardDim }));
  }
  const levelEmbed = decoder.in("level_embed").parameter("weight", [LEVELS, c], normal(), { decay: false });
  const values = g.add(memory, g.slice(levelEmbed, 0, level, level + 1));
  const keys = g.add(values, positions);
  let content = queries;
  for (let i = 0; i < layers; i++) {
    const state = { content, position: queryPositions };
    content = built(() => decoderLayer(decoder, i, state, { values, keys }, { heads, feedForwardDim }));
  }
  return linear(own.in("prediction"), layerNorm(decoder.in("decoder_norm"), content), c);
}

/** Self-attention (position added to q and k) and feed-forward, post-norm; x [N, P, C]. */
function selfAttentionBlock(
  p: Scope,
  x: Tensor,
  positions: Tensor,
  { heads, feedForwardDim }: Pick<PredictorOptions, "heads" | "feedForwardDim">,
): Tensor {
  const query = g.add(x, positions);
  const attended = multiHeadAttention(p.in("self_attn"), { query, key: query, value: x }, heads);
  const y = layerNorm(p.in("norm1"), g.add(x, attended));
  return layerNorm(p.in("norm2"), g.add(y, feedForward(p, y, feedForwardDim)));
}
