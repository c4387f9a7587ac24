/**
 * @file The pixel decoders of MaskFormer: a feature pyramid, with or without a transformer encoder over its coarsest
 * map.
 */

import type { Grid } from "../core/tensor-data.js";
import type { Tensor } from "../graph/graph.js";
import { type Dropout, NO_DROPOUT } from "../nn/dropout.js";
import { caffe2Xavier, zeros } from "../nn/init.js";
import { conv2d, resizeNearest, toMap, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { outputLevel, type PyramidOptions, pyramidLevel } from "./feature-pyramid.js";
import type { PixelDecoderOutput } from "./pixel-decoder.js";
import { sinePositions } from "./position-embedding.js";
import type { Pyramid } from "./pyramid.js";
import { type EncoderOptions, transformerEncoder } from "./transformer-encoder.js";

export interface FpnPixelDecoderOptions extends PyramidOptions {
  /** Width of the mask features. */
  readonly maskDim: number;
  /**
   * The transformer encoder over res5 (TransformerEncoderPixelDecoder); absent in the plain pyramid (BasePixelDecoder).
   */
  readonly encoder?: EncoderOptions;
}

const gridOf = ({ shape }: Tensor): Grid => [shape[2], shape[3]];

/**
 * Parameters under sem_seg_head.pixel_decoder. Maps of any sizes: a coarser level is resized to the finer one's. The
 * one map that the transformer decoder attends to is the encoder's or, where there is none, res5 of the backbone.
 */
export function fpnPixelDecoder(
  p: Scope,
  maps: Pyramid,
  options: FpnPixelDecoderOptions,
  dropout = NO_DROPOUT,
): PixelDecoderOutput {
  const [res2, res3, res4, res5] = maps;
  const memory = options.encoder ? encoded(p, res5, options.width, options.encoder, dropout) : res5;
  let level = outputLevel(p, 4, memory, options);
  for (const [i, map] of [[3, res4] as const, [2, res3] as const, [1, res2] as const]) {
    level = pyramidLevel(p, i, map, resizeNearest(level, gridOf(map)), options);
  }
  const projection = { kernel: 3, padding: 1, init: caffe2Xavier, bias: zeros };
  return { multiScale: [memory], maskFeatures: conv2d(p.in("mask_features"), level, options.maskDim, projection) };
}

function encoded(p: Scope, map: Tensor, width: number, options: EncoderOptions, dropout: Dropout): Tensor {
  const grid = gridOf(map);
  const projected = conv2d(p.in("input_proj"), map, width, { kernel: 1, init: caffe2Xavier, bias: zeros });
  const positions = map.graph.constant(sinePositions(grid, width));
  const encoder = p.in("transformer", "encoder");
  return toMap(transformerEncoder(encoder, toTokens(projected), positions, options, dropout), grid);
}
