/** @file The sizes of Mask2Former's decoders, read off the shapes of their tensors. */

import type { Shapes } from "./shapes.js";

const PIXEL_DECODER = "sem_seg_head.pixel_decoder";
const PREDICTOR = "sem_seg_head.predictor";
/** Maps that its deformable attention samples: strides 32, 16 and 8. */
export const LEVELS = 3;

export interface PixelDecoderSizes {
  readonly hiddenDim: number;
  readonly maskDim: number;
  readonly layers: number;
  readonly feedForwardDim: number;
  /** Heads times sampling points of a level. */
  readonly headPoints: number;
}

/** Of layers alone, where there are no heads of prediction: what pretraining leaves. */
export interface LayerSizes {
  readonly layers: number;
  readonly feedForwardDim: number;
}

export interface PredictorSizes extends LayerSizes {
  readonly hiddenDim: number;
  readonly queries: number;
  /** Without "no object". */
  readonly classes: number;
}

export const hasPixelDecoder = (shapes: Shapes) => shapes.has(`${PIXEL_DECODER}.mask_features.weight`);
export const hasPredictor = (shapes: Shapes) => shapes.has(`${PREDICTOR}.class_embed.weight`);

/** @throws InputError when one of the names is missing */
export function pixelDecoderSizes(shapes: Shapes): PixelDecoderSizes {
  const linear = (i: number) => `${PIXEL_DECODER}.transformer.encoder.layers.${i}.linear1.weight`;
  const offsets = shapes.of(`${PIXEL_DECODER}.transformer.encoder.layers.0.self_attn.sampling_offsets.weight`)[0];
  return {
    hiddenDim: shapes.of(`${PIXEL_DECODER}.input_proj.0.0.weight`)[0],
    maskDim: shapes.of(`${PIXEL_DECODER}.mask_features.weight`)[0],
    layers: shapes.count(linear),
    feedForwardDim: shapes.of(linear(0))[0],
    headPoints: offsets / (2 * LEVELS),
  };
}

/** Undefined where there are none. */
export function layerSizes(shapes: Shapes): LayerSizes | undefined {
  const linear = (i: number) => `${PREDICTOR}.transformer_ffn_layers.${i}.linear1.weight`;
  const layers = shapes.count(linear);
  return layers === 0 ? undefined : { layers, feedForwardDim: shapes.of(linear(0))[0] };
}

/** `embedding`: what has a row for each query. @throws InputError when one of the names is missing */
export function predictorSizes(shapes: Shapes, embedding = "query_feat"): PredictorSizes {
  const [queries, hiddenDim] = shapes.of(`${PREDICTOR}.${embedding}.weight`, 2);
  const classes = shapes.of(`${PREDICTOR}.class_embed.weight`, 2)[0] - 1;
  shapes.of(`${PREDICTOR}.transformer_ffn_layers.0.linear1.weight`);
  return { queries, hiddenDim, classes, ...(layerSizes(shapes) as LayerSizes) };
}
