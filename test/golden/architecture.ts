/** @file The whole models among the golden cases. */

import type { Architecture } from "../../src/families/families.js";

/** What the cases say of their decoders. */
export interface DecoderConfig {
  HIDDEN_DIM: number;
  MASK_DIM: number;
  NUM_OBJECT_QUERIES: number;
  /** Of Mask2Former it includes the prediction before the first layer. */
  DEC_LAYERS: number;
  TRANSFORMER_ENC_LAYERS: number;
  NUM_CLASSES: number;
  NHEADS: number;
  DIM_FEEDFORWARD: number;
  /** Mask2Former's. */
  ENCODER_FFN: number;
  /** MaskFormer's. */
  PIXEL_DECODER_NAME?: "BasePixelDecoder" | "TransformerEncoderPixelDecoder";
}

export function architectureOf(config: DecoderConfig, backbone: Architecture["backbone"]): Architecture {
  const transformerDecoder = {
    hiddenDim: config.HIDDEN_DIM,
    maskDim: config.MASK_DIM,
    queries: config.NUM_OBJECT_QUERIES,
    classes: config.NUM_CLASSES,
    heads: config.NHEADS,
    feedForwardDim: config.DIM_FEEDFORWARD,
  };
  if (config.PIXEL_DECODER_NAME !== undefined) {
    const encoder = {
      heads: config.NHEADS,
      layers: config.TRANSFORMER_ENC_LAYERS,
      feedForwardDim: config.DIM_FEEDFORWARD,
    };
    return {
      family: "maskformer",
      backbone,
      pixelDecoder: {
        width: config.HIDDEN_DIM,
        maskDim: config.MASK_DIM,
        normGroups: 32,
        ...(encoder.layers > 0 && { encoder }),
      },
      transformerDecoder: { ...transformerDecoder, layers: config.DEC_LAYERS },
      dropout: 0,
    };
  }
  return {
    family: "mask2former",
    backbone,
    pixelDecoder: {
      hiddenDim: config.HIDDEN_DIM,
      heads: config.NHEADS,
      points: 4,
      layers: config.TRANSFORMER_ENC_LAYERS,
      feedForwardDim: config.ENCODER_FFN,
      normGroups: 32,
    },
    transformerDecoder: { ...transformerDecoder, layers: config.DEC_LAYERS - 1 },
  };
}
