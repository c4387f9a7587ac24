/** @file The parts of MaskFormer as each golden case describes them. */

import { detrDecoder } from "../../src/models/detr-decoder.js";
import { fpnPixelDecoder } from "../../src/models/fpn-pixel-decoder.js";
import type { Pyramid } from "../../src/models/pyramid.js";
import { asInputs, Parameters } from "../../src/nn/scope.js";
import type { Frame, Outputs } from "./models.js";

export function fpnPixelDecoderOf({ graph, golden, variant, input }: Frame): Outputs {
  const withEncoder = golden.hyper.module === "TransformerEncoderPixelDecoder";
  const encoder = withEncoder && {
    layers: golden.setting("enc_layers"),
    heads: golden.setting("nheads"),
    feedForwardDim: golden.setting("dim_feedforward"),
    preNorm: golden.hyper.pre_norm as boolean,
    ...variant,
  };
  const { multiScale, maskFeatures } = fpnPixelDecoder(
    new Parameters(asInputs(graph)).root,
    ["res2", "res3", "res4", "res5"].map(input) as unknown as Pyramid,
    {
      width: golden.setting("conv_dim"),
      maskDim: golden.setting("mask_dim"),
      normGroups: 32,
      ...(encoder && { encoder }),
    },
  );
  return { mask_features: maskFeatures, ...(withEncoder && { transformer_encoder_features: multiScale[0] }) };
}

export function detrDecoderOf({ graph, golden, variant, input }: Frame): Outputs {
  const layers = golden.setting("dec_layers");
  const predictions = detrDecoder(new Parameters(asInputs(graph)).root, input("x"), input("mask_features"), {
    hiddenDim: golden.setting("hidden_dim"),
    maskDim: golden.setting("mask_dim"),
    queries: golden.setting("num_queries"),
    layers,
    encoderLayers: golden.setting("enc_layers"),
    enforceProjection: golden.hyper.enforce_input_proj as boolean,
    classes: golden.setting("num_classes"),
    heads: golden.setting("nheads"),
    feedForwardDim: golden.setting("dim_feedforward"),
    preNorm: golden.hyper.pre_norm as boolean,
    ...variant,
  });
  const named = predictions.map(({ logits, masks }, i) => {
    const prefix = i < layers - 1 ? `aux_outputs.${i}.` : "";
    return { [`${prefix}pred_logits`]: logits, [`${prefix}pred_masks`]: masks };
  });
  return Object.assign({}, ...named);
}
