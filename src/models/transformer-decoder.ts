/** @file MultiScaleMaskedTransformerDecoder of Mask2Former: queries, masked attention and prediction heads. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { caffe2Xavier, normal, torchBias, torchWeight, zeros } from "../nn/init.js";
import { conv2d, layerNorm, linear, resizeBilinear, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { type DecoderLayerOptions, decoderLayers } from "./decoder-layer.js";
import { sinePositions } from "./position-embedding.js";

export interface TransformerDecoderOptions extends DecoderLayerOptions {
  hiddenDim: number;
  /** Width of the mask features and embeddings. */
  maskDim: number;
  queries: number;
  layers: number;
  recomputeLayers?: boolean;
  /** Classes without "no object". */
  classes: number;
}

export interface Prediction {
  /** [N, Q, classes + 1]; the last class is "no object". */
  logits: Tensor;
  /** Mask logits at stride 4, [N, Q, H/4, W/4]. */
  masks: Tensor;
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
): Prediction[] {
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
  const predictions: Prediction[] = [];
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

/** The 1x1 convolution that exists only where the widths differ (or input projection is enforced). */
function projectInput(p: Scope, map: Tensor, hiddenDim: number): Tensor {
  return map.shape[1] === hiddenDim ? map : conv2d(p, map, hiddenDim, { kernel: 1, init: caffe2Xavier, bias: zeros });
}

/** [N, Q, S] -> [N * heads, Q, S]; of one image the heads share it as it is. */
function perHead(bias: Tensor, heads: number): Tensor {
  const [n, q, s] = bias.shape;
  if (n === 1) return bias;
  return g.reshape(g.expand(g.reshape(bias, [n, 1, q, s]), [n, heads, q, s]), [n * heads, q, s]);
}

/** Class and mask predictions of the queries, and the attention mask they imply where `reduced` has the mask features. */
function predict(
  p: Scope,
  content: Tensor,
  maskFeatures: Tensor,
  reduced: Tensor,
  { classes, hiddenDim, maskDim }: TransformerDecoderOptions,
): Prediction & { bias: Tensor } {
  const n = maskFeatures.shape[0];
  const q = content.shape[1];
  const normed = layerNorm(p.in("decoder_norm"), content);
  const logits = linear(p.in("class_embed"), normed, classes + 1);
  const mlp = p.in("mask_embed", "layers");
  const embedded = [hiddenDim, hiddenDim, maskDim].reduce((x, width, i) => {
    const y = linear(mlp.in(i), x, width, { weight: torchWeight, bias: torchBias(x.shape.at(-1) as number) });
    return i < 2 ? g.relu(y) : y;
  }, normed);
  const masksOver = (features: Tensor) => g.matMul(embedded, g.reshape(features, [n, maskDim, -1]));
  const masks = g.reshape(masksOver(maskFeatures), [n, q, ...maskFeatures.shape.slice(2)]);
  // sigmoid(x) < 0.5 is x < 0. A query that would see nothing sees everything.
  const open = masksOver(reduced);
  const closed = g.where(g.less(open, 0), 1, 0);
  const blocked = g.reduceSum(closed, [-1], true);
  const nothing = g.equal(blocked, open.shape[2]);
  const bias = g.where(nothing, 0, g.mul(closed, BLOCKED));
  return { logits, masks, blocked: g.reshape(blocked, [n, q]), bias };
}
