/**
 * @file The transformer decoder of DETR (Carion et al. 2020) with MaskFormer's heads: every query attends to all of one
 * map.
 */

import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { multiHeadAttention } from "../nn/attention.js";
import { type Dropout, NO_DROPOUT } from "../nn/dropout.js";
import { normal } from "../nn/init.js";
import { feedForward, layerNorm, residual, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import type { DecoderLayerOptions, DecoderState, Memory } from "./decoder-layer.js";
import { sinePositions } from "./position-embedding.js";
import { maskLogits, type Prediction, type PredictionHeadOptions, predictionHeads } from "./prediction-heads.js";
import { projectInput } from "./transformer-decoder.js";
import { transformerEncoder } from "./transformer-encoder.js";

export interface DetrDecoderOptions extends DecoderLayerOptions, PredictionHeadOptions {
  queries: number;
  layers: number;
  /** Layers of an encoder over the map, in front of the decoder; default none. */
  encoderLayers?: number;
  /** Project the map even where its width fits. */
  enforceProjection?: boolean;
  recomputeLayers?: boolean;
}

/**
 * Parameters under sem_seg_head.predictor. `map` [N, C, h, w]: what the queries attend to; `maskFeatures` [N, maskDim,
 * H/4, W/4]. Returns one prediction a layer, the last of them the output.
 */
export function detrDecoder(
  p: Scope,
  map: Tensor,
  maskFeatures: Tensor,
  options: DetrDecoderOptions,
  dropout = NO_DROPOUT,
): Prediction[] {
  const { hiddenDim, queries, encoderLayers = 0, enforceProjection } = options;
  const { graph } = map;
  const transformer = p.in("transformer");
  const projected = toTokens(projectInput(p.in("input_proj"), map, hiddenDim, enforceProjection));
  const positions = graph.constant(sinePositions([map.shape[2], map.shape[3]], hiddenDim));
  const values =
    encoderLayers > 0
      ? transformerEncoder(
          transformer.in("encoder"),
          projected,
          positions,
          { ...options, layers: encoderLayers },
          dropout.in("encoder"),
        )
      : projected;
  const memory: Memory = { values, keys: g.add(values, positions) };
  const position = p.in("query_embed").parameter("weight", [queries, hiddenDim], normal(), { decay: false });
  const decoder = transformer.in("decoder");
  // The queries differ by their positions alone.
  const state = { content: graph.zeros([map.shape[0], queries, hiddenDim]), position };
  return detrLayers(decoder, state, memory, options, dropout).map((content) => {
    const { logits, embeddings } = predictionHeads(p, layerNorm(decoder.in("norm"), content), options);
    return { logits, masks: maskLogits(embeddings, maskFeatures) };
  });
}

/** Layers `layers.0` .. one after another: the content [N, Q, C] after each, before any last norm. */
export function detrLayers(
  p: Scope,
  { content, position }: DecoderState,
  memory: Memory,
  { layers, recomputeLayers, ...options }: DecoderLayerOptions & { layers: number; recomputeLayers?: boolean },
  dropout: Dropout,
): Tensor[] {
  let x = content;
  return Array.from({ length: layers }, (_, i) => {
    const state = { content: x, position };
    const layer = () => [decoderLayer(p.in("layers", i), state, memory, options, dropout.in("layer", i))];
    [x] = recomputeLayers ? recompute(x.graph, layer) : layer();
    return x;
  });
}

/** Self-attention, cross-attention, feed-forward: the new content [N, Q, C]. */
function decoderLayer(
  p: Scope,
  { content, position }: DecoderState,
  { keys, values }: Memory,
  { heads, feedForwardDim, preNorm = false }: DecoderLayerOptions,
  dropout: Dropout,
): Tensor {
  let x = residual(p.in("norm1"), content, preNorm, (value) => {
    const query = g.add(value, position);
    const inputs = { query, key: query, value, dropout: dropout.at("self-attention") };
    return dropout.apply(multiHeadAttention(p.in("self_attn"), inputs, heads), "after self-attention");
  });
  x = residual(p.in("norm2"), x, preNorm, (y) => {
    const inputs = { query: g.add(y, position), key: keys, value: values, dropout: dropout.at("cross-attention") };
    return dropout.apply(multiHeadAttention(p.in("multihead_attn"), inputs, heads), "after cross-attention");
  });
  return residual(p.in("norm3"), x, preNorm, (y) =>
    dropout.apply(feedForward(p, y, feedForwardDim, dropout), "after feed-forward"),
  );
}
