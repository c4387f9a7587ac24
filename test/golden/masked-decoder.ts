/** @file Mask2Former's transformer decoder, and its relatives', as golden cases describe it and name what it predicts. */

import type { Tensor } from "../../src/graph/graph.js";
import type { transformerDecoder } from "../../src/models/transformer-decoder.js";
import type { GoldenCase } from "./case.js";

export const decoderOptionsOf = ({ setting }: GoldenCase) => ({
  hiddenDim: setting("hidden_dim"),
  maskDim: setting("mask_dim"),
  queries: setting("num_queries"),
  layers: setting("dec_layers"),
  classes: setting("num_classes"),
  heads: setting("nheads"),
  feedForwardDim: setting("dim_feedforward"),
});

/** The last prediction has no prefix. */
export function namedPredictions(predictions: ReturnType<typeof transformerDecoder>): Record<string, Tensor> {
  const named = predictions.map(({ logits, masks, blocked }, i) => {
    const prefix = i < predictions.length - 1 ? `aux_outputs.${i}.` : "";
    return {
      [`${prefix}pred_logits`]: logits,
      [`${prefix}pred_masks`]: masks,
      [`attn_mask_blocked_count.${i}`]: blocked,
    };
  });
  return Object.assign({}, ...named);
}
