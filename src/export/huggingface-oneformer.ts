/** @file `config.json` of transformers' `OneFormerForUniversalSegmentation` (its models/oneformer/). */

import type { JsonObject } from "../checkpoint/checkpoint.js";
import { InputError } from "../core/errors.js";
import type { Shape } from "../core/tensor-data.js";
import { TASK_LENGTH } from "../families/oneformer.js";
import { pixelDecoderSizes } from "../weights/mask2former-sizes.js";
import { oneformerSizes } from "../weights/oneformer.js";
import { backboneConfig, labels, requirePoints, shapesOf, trainingConfig } from "./huggingface-config.js";
import type { ModelFacts } from "./model-facts.js";

/**
 * Read off the shapes of canonical tensors. Its text branch, which needs a text with every image, stays behind.
 * @throws InputError when they are no whole model, or one that transformers cannot express
 */
export function oneformerConfig(shapes: ReadonlyMap<string, Shape>, source: string, facts: ModelFacts): JsonObject {
  const known = shapesOf(shapes, source);
  const sizes = oneformerSizes(known);
  const pixelDecoder = pixelDecoderSizes(known);
  const heads = requirePoints(pixelDecoder, facts, source);
  if (pixelDecoder.maskDim !== pixelDecoder.hiddenDim) {
    const expected = "a OneFormer that transformers can express: masks' features as wide as the pixel decoder";
    const found = `${pixelDecoder.maskDim} and ${pixelDecoder.hiddenDim} channels (model.maskDim, model.hiddenDim)`;
    throw new InputError({ where: source, expected, found });
  }
  const { criterion, dropout } = facts;
  return {
    model_type: "oneformer",
    architectures: ["OneFormerForUniversalSegmentation"],
    backbone_config: backboneConfig(shapes, source, facts),
    conv_dim: pixelDecoder.hiddenDim,
    mask_dim: pixelDecoder.maskDim,
    hidden_dim: sizes.hiddenDim,
    encoder_feedforward_dim: pixelDecoder.feedForwardDim,
    encoder_layers: pixelDecoder.layers,
    decoder_layers: sizes.layers + 1, // counts the prediction before the first layer
    query_dec_layers: sizes.classLayers,
    dim_feedforward: sizes.feedForwardDim,
    num_attention_heads: heads,
    ...(dropout !== undefined && { dropout }),
    pre_norm: false,
    enforce_input_proj: false,
    use_task_norm: true,
    norm: "GN",
    common_stride: 4,
    strides: [4, 8, 16, 32],
    num_queries: sizes.queries,
    task_seq_len: TASK_LENGTH,
    is_training: false,
    ...(criterion && trainingConfig(criterion)),
    ...labels(sizes.classes, source, facts),
  };
}
