/** @file Reading MaskFormers: the sizes of their decoders by the shapes of their tensors. */

import { InputError } from "../core/errors.js";
import type { FamilyReader } from "./family-reader.js";
import { mask2former } from "./mask2former.js";
import type { Shapes } from "./shapes.js";

const PIXEL_DECODER = "sem_seg_head.pixel_decoder";
const PREDICTOR = "sem_seg_head.predictor";
const encoderLinear = (i: number) => `${PIXEL_DECODER}.transformer.encoder.layers.${i}.linear1.weight`;
const decoderLinear = (i: number) => `${PREDICTOR}.transformer.decoder.layers.${i}.linear1.weight`;

export interface MaskFormerSizes {
  readonly pyramidDim: number;
  readonly maskDim: number;
  readonly encoderLayers: number;
  readonly hiddenDim: number;
  readonly decoderLayers: number;
  readonly feedForwardDim: number;
  readonly queries: number;
  /** Without "no object". */
  readonly classes: number;
}

/** @throws InputError when one of the names is missing, or the model is none that is built here */
export function maskformerSizes(shapes: Shapes): MaskFormerSizes {
  const [queries, hiddenDim] = shapes.of(`${PREDICTOR}.query_embed.weight`, 2);
  const feedForwardDim = shapes.of(decoderLinear(0), 2)[0];
  const encoderLayers = shapes.count(encoderLinear);
  if (encoderLayers > 0 && shapes.of(encoderLinear(0), 2)[0] !== feedForwardDim) {
    const found = `${shapes.of(encoderLinear(0))[0]} and ${feedForwardDim}`;
    throw new InputError({ where: shapes.source, expected: "both transformers' feed-forwards of one width", found });
  }
  return {
    pyramidDim: shapes.of(`${PIXEL_DECODER}.layer_1.weight`, 4)[0],
    maskDim: shapes.of(`${PIXEL_DECODER}.mask_features.weight`, 4)[0],
    encoderLayers,
    hiddenDim,
    decoderLayers: shapes.count(decoderLinear),
    feedForwardDim,
    queries,
    classes: shapes.of(`${PREDICTOR}.class_embed.weight`, 2)[0] - 1,
  };
}

export const maskformer: FamilyReader = {
  huggingfaceType: "maskformer",
  defaults: mask2former.defaults,
  isWhole: (shapes) => shapes.has(`${PREDICTOR}.class_embed.weight`),
  decoders(shapes, heads) {
    const { pyramidDim, maskDim, hiddenDim, decoderLayers, feedForwardDim, encoderLayers } = maskformerSizes(shapes);
    if (pyramidDim !== hiddenDim) {
      const found = `${pyramidDim} and ${hiddenDim}`;
      throw new InputError({ where: shapes.source, expected: "both decoders of one width", found });
    }
    return {
      heads,
      hiddenDim,
      maskDim: maskDim === hiddenDim ? null : maskDim,
      decoderLayers,
      decoderFfn: feedForwardDim,
      encoderLayers,
    };
  },
  answer: maskformerSizes,
};
