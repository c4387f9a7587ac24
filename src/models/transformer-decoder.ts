/** @file MultiScaleMaskedTransformerDecoder of Mask2Former: queries, masked attention and prediction heads. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { caffe2Xavier, normal, zeros } from "../nn/init.js";
import { conv2d, layerNorm, resizeBilinear, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { type DecoderLayerOptions, decoderLayers } from "./decoder-layer.js";
import { sinePositions } from "./position-embedding.js";
import {
  maskLogits,
  maskProducts,
  type Prediction,
  type PredictionHeadOptions,
  predictionHeads,
} from "./prediction-heads.js";

export interface TransformerDecoderOptions extends DecoderLayerOptions, PredictionHeadOptions {
  queries: number;
  layers: number;
  recomputeLayers?: boolean;
}

export interface MaskedPrediction extends Prediction {
  /** Blocked positions of the next attention mask, before full rows are opened: [N, Q]. */
  blocked: Tensor;
}

/** Value added to the logits of a blocked position: its probability becomes exactly zero. */
const BLOCKED = -1e30;

/**
 * Parameters under sem_seg_head.predictor. `multiScale`: maps at strides 32, 16, 8; `maskFeatures` [N, maskDim, h, w].
 * Returns layers + 1 predictions, the first from the queries alone, the last the output.
 */
export function transformerDecoder(
  p: Scope,
  multiScale: readonly Tensor[],
  maskFeatures: Tensor,
  options: TransformerDecoderOptions,
): MaskedPrediction[] {
  const { hiddenDim, queries, layers, heads } = options;
  const { graph } = maskFeatures;
  const n = maskFeatures.shape[0];
  const embedding = (name: string, rows: number) =>
    p.in(name).parameter("weight", [rows, hiddenDim], normal(), { decay: false });
  const levelEmbed = embedding("level_embed", multiScale.length);
  const memories = multiScale.map((map, l) => {
    const projected = projectInput(p.in("input_proj", l), map, hiddenDim);
    const values = g.add(toTokens(projected), g.slice(levelEmbed, 0, l, l + 1));
    const positions = graph.constant(sinePositions([map.shape[2], map.shape[3]], hiddenDim));
    return { values, keys: g.add(values, positions) };
  });
  const position = embedding("query_embed", queries);
  const content = g.expand(embedding("query_feat", queries), [n, queries, hiddenDim]);
  // Resizing is linear, so it may go before the product with the queries: once a level instead of once a layer.
  const reduced = multiScale.map((map) => resizeBilinear(maskFeatures, [map.shape[2], map.shape[3]]));
  const predictions: MaskedPrediction[] = [];
  const attended = (layer: number, content: Tensor) => {
    const level = layer % memories.length;
    const { bias, ...prediction } = predict(p, content, maskFeatures, reduced[level], options);
    predictions.push(prediction);
    return { ...memories[level], bias: perHead(bias, heads) };
  };
  const last = decoderLayers(p, { content, position }, attended, options);
  attended(layers, last);
  return predictions;
}

/** The 1x1 convolution that exists only where the widths differ, or is `enforced`. */
export function projectInput(p: Scope, map: Tensor, hiddenDim: number, enforced = false): Tensor {
  const needed = enforced || map.shape[1] !== hiddenDim;
  return needed ? conv2d(p, map, hiddenDim, { kernel: 1, init: caffe2Xavier, bias: zeros }) : map;
}

/** [N, Q, S] -> [N * heads, Q, S]; of one image the heads share it as it is. */
function perHead(bias: Tensor, heads: number): Tensor {
  const [n, q, s] = bias.shape;
  if (n === 1) return bias;
  return g.reshape(g.expand(g.reshape(bias, [n, 1, q, s]), [n, heads, q, s]), [n * heads, q, s]);
}

/**
 * Class and mask predictions of the queries, and the attention mask they imply where `reduced` has the mask features.
 */
function predict(
  p: Scope,
  content: Tensor,
  maskFeatures: Tensor,
  reduced: Tensor,
  options: PredictionHeadOptions,
): MaskedPrediction & { bias: Tensor } {
  const { logits, embeddings } = predictionHeads(p, layerNorm(p.in("decoder_norm"), content), options);
  const masks = maskLogits(embeddings, maskFeatures);
  // sigmoid(x) < 0.5 is x < 0. A query that would see nothing sees everything.
  const open = maskProducts(embeddings, reduced);
  const closed = g.where(g.less(open, 0), 1, 0);
  const blocked = g.reduceSum(closed, [-1], true);
  const nothing = g.equal(blocked, open.shape[2]);
  const bias = g.where(nothing, 0, g.mul(closed, BLOCKED));
  return { logits, masks, blocked: g.reshape(blocked, content.shape.slice(0, 2)), bias };
}
