/** @file MultiScaleMaskedTransformerDecoder of Mask2Former: queries, masked attention and prediction heads. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { BLOCKED } from "../nn/attention.js";
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
  /** That mask as it is added to the logits, [N, Q, S], or [N * heads, Q, S] where heads have masks of their own. */
  bias: Tensor;
  /** The same prediction by the pilot queries, where there are some. */
  pilots?: Prediction;
}

/** Queries in front of the others which see the masks of known objects in place of predicted ones. */
export interface PilotQueries {
  /** [N, S, C] */
  content: Tensor;
  /**
   * What the pilots do not see in a layer, of a map with S' positions: 1 where blocked, [N, S, S'], or [N * heads, S,
   * S'] where each head has masks of its own; undefined in layers that go by what they predict, as for other queries.
   */
  closed(layer: number): Tensor | undefined;
  /** Which queries do not see each other: 1 where blocked, [1, S + Q, S + Q]. */
  apart: Tensor;
}

/** What the decoder begins with. */
export interface DecoderQueries {
  /** [N, Q, C] */
  content: Tensor;
  /** Broadcast to the content; absent where queries have none. */
  position?: Tensor;
  pilots?: PilotQueries;
}

const embedding = (p: Scope, name: string, rows: number, width: number) =>
  p.in(name).parameter("weight", [rows, width], normal(), { decay: false });

/** Contents of the queries as they are learned, the same for each of `images` images. */
export function learnedContent(p: Scope, images: number, options: TransformerDecoderOptions): Tensor {
  const { hiddenDim, queries } = options;
  return g.expand(embedding(p, "query_feat", queries, hiddenDim), [images, queries, hiddenDim]);
}

/** Positions of the queries as they are learned, [Q, C]. */
export const learnedPosition = (p: Scope, { hiddenDim, queries }: TransformerDecoderOptions): Tensor =>
  embedding(p, "query_embed", queries, hiddenDim);

/**
 * Parameters under sem_seg_head.predictor, those of `queries` between the levels' and the layers'. `multiScale`: maps
 * at strides 32, 16, 8; `maskFeatures` [N, maskDim, h, w]. Returns layers + 1 predictions, the first from the queries
 * alone, the last the output.
 */
export function transformerDecoder(
  p: Scope,
  multiScale: readonly Tensor[],
  maskFeatures: Tensor,
  options: TransformerDecoderOptions,
  queries: () => DecoderQueries,
): MaskedPrediction[] {
  const { hiddenDim, layers, heads } = options;
  const { graph } = maskFeatures;
  const levelEmbed = embedding(p, "level_embed", multiScale.length, hiddenDim);
  const memories = multiScale.map((map, l) => {
    const projected = projectInput(p.in("input_proj", l), map, hiddenDim);
    const values = g.add(toTokens(projected), g.slice(levelEmbed, 0, l, l + 1));
    const positions = graph.constant(sinePositions([map.shape[2], map.shape[3]], hiddenDim));
    return { values, keys: g.add(values, positions) };
  });
  const { content, position, pilots } = queries();
  // Resizing is linear, so it may go before the product with the queries: once a level instead of once a layer.
  const reduced = multiScale.map((map) => resizeBilinear(maskFeatures, [map.shape[2], map.shape[3]]));
  const predictions: MaskedPrediction[] = [];
  const attended = (layer: number, content: Tensor) => {
    const level = layer % memories.length;
    const sight = { reduced: reduced[level], pilots, closed: layer < layers ? pilots?.closed(layer) : undefined };
    const prediction = predict(p, content, maskFeatures, sight, options);
    predictions.push(prediction);
    return { ...memories[level], bias: perHead(prediction.bias, maskFeatures.shape[0], heads) };
  };
  const start = pilots
    ? { content: g.concat([pilots.content, content], 1), position, selfBias: g.mul(pilots.apart, BLOCKED) }
    : { content, position };
  const last = decoderLayers(p, start, attended, options);
  attended(layers, last);
  return predictions;
}

/** The 1x1 convolution that exists only where the widths differ, or is `enforced`. */
export function projectInput(p: Scope, map: Tensor, hiddenDim: number, enforced = false): Tensor {
  const needed = enforced || map.shape[1] !== hiddenDim;
  return needed ? conv2d(p, map, hiddenDim, { kernel: 1, init: caffe2Xavier, bias: zeros }) : map;
}

/** [N, Q, S] -> [N * heads, Q, S]; of one image the heads share it as it is, and one of each head's own stays. */
function perHead(bias: Tensor, n: number, heads: number): Tensor {
  const [rows, q, s] = bias.shape;
  if (rows === 1 || rows > n) return bias;
  return g.reshape(g.expand(g.reshape(bias, [n, 1, q, s]), [n, heads, q, s]), [n * heads, q, s]);
}

/** What the next attention mask is made from. */
interface Sight {
  /** Mask features at the size of the map that is attended to. */
  reduced: Tensor;
  pilots?: PilotQueries;
  /** What the pilots do not see of it. */
  closed?: Tensor;
}

/** Class and mask predictions of the queries, and the attention mask that the next layer goes by. */
function predict(
  p: Scope,
  content: Tensor,
  maskFeatures: Tensor,
  { reduced, pilots, closed: ofPilots }: Sight,
  options: TransformerDecoderOptions,
): MaskedPrediction {
  const { logits, embeddings } = predictionHeads(p, layerNorm(p.in("decoder_norm"), content), options);
  const first = pilots?.content.shape[1] ?? 0;
  const part = (x: Tensor, start: number, end: number) => g.slice(x, 1, start, end);
  const prediction = (start: number, end: number): Prediction => ({
    logits: part(logits, start, end),
    masks: maskLogits(part(embeddings, start, end), maskFeatures),
  });
  const count = content.shape[1];
  // sigmoid(x) < 0.5 is x < 0. A query that would see nothing sees everything.
  const open = maskProducts(ofPilots ? part(embeddings, first, count) : embeddings, reduced);
  const predicted = g.where(g.less(open, 0), 1, 0);
  const closed = ofPilots ? withPilots(ofPilots, predicted, options.heads) : predicted;
  const blocked = g.reduceSum(closed, [-1], true);
  const nothing = g.equal(blocked, closed.shape[2]);
  const bias = g.where(nothing, 0, g.mul(closed, BLOCKED));
  return {
    ...prediction(first, count),
    ...(pilots && { pilots: prediction(0, first) }),
    blocked: g.reshape(blocked, closed.shape.slice(0, 2)),
    bias,
  };
}

/** Masks of the pilots, [N, S, P] or [N * heads, S, P], in front of predicted ones [N, Q, P]. */
function withPilots(pilots: Tensor, predicted: Tensor, heads: number): Tensor {
  const [n, q, positions] = predicted.shape;
  const ofEachHead = g.reshape(g.expand(g.reshape(predicted, [n, 1, q, positions]), [n, heads, q, positions]), [
    n * heads,
    q,
    positions,
  ]);
  return g.concat([pilots, pilots.shape[0] === n ? predicted : ofEachHead], 1);
}
