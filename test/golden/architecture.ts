/** @file The decoders of the whole models among the golden cases. */

import type { Architecture } from "../../src/families/families.js";

/** What the cases say of their decoders. */
export interface DecoderConfig {
  HIDDEN_DIM: number;
  MASK_DIM: number;
  NUM_OBJECT_QUERIES: number;
  /** Includes the prediction before the first layer. */
  DEC_LAYERS: number;
  TRANSFORMER_ENC_LAYERS: number;
  NUM_CLASSES: number;
  NHEADS: number;
  DIM_FEEDFORWARD: number;
  ENCODER_FFN: number;
}

export function architectureOf(config: DecoderConfig, backbone: Architecture["backbone"]): Architecture {
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
    transformerDecoder: {
      hiddenDim: config.HIDDEN_DIM,
      maskDim: config.MASK_DIM,
      queries: config.NUM_OBJECT_QUERIES,
      layers: config.DEC_LAYERS - 1,
      classes: config.NUM_CLASSES,
      heads: config.NHEADS,
      feedForwardDim: config.DIM_FEEDFORWARD,
    },
  };
}
