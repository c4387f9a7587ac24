/** @file `config.json` of transformers' `MaskFormerForInstanceSegmentation` (its models/maskformer/). */

import type { JsonObject } from "../checkpoint/checkpoint.js";
import { InputError } from "../core/errors.js";
import type { Shape } from "../core/tensor-data.js";
import { maskformerSizes } from "../weights/maskformer.js";
import { backboneConfig, GROUPS, labels, shapesOf } from "./huggingface-config.js";
import type { ModelFacts } from "./model-facts.js";
import type { Weights } from "./target.js";

/** transformers builds no encoder in the pixel decoder. Throws InputError. */
export function refuseEncoder(weights: Weights, source: string): void {
  const [name] = [...weights.keys()].filter((name) => name.startsWith("sem_seg_head.pixel_decoder.transformer."));
  if (name === undefined) return;
  throw new InputError({
    where: source,
    expected: "a model that transformers can express: no encoder in the pixel decoder (model.encoderLayers 0)",
    found: `one, with ${name}`,
    fix: "Export it with --to detectron2 or canonical.",
  });
}

/**
 * Read off the shapes of canonical tensors.
 * @throws InputError when they are no whole model, or one that transformers cannot express
 */
export function maskformerConfig(shapes: ReadonlyMap<string, Shape>, source: string, facts: ModelFacts): JsonObject {
  const sizes = maskformerSizes(shapesOf(shapes, source));
  const { heads = 8, normGroups = GROUPS, criterion, dropout } = facts;
  if (normGroups !== GROUPS) {
    const expected = `a model that transformers can express: norms in ${GROUPS} groups`;
    throw new InputError({ where: source, expected, found: `${normGroups} groups` });
  }
  return {
    model_type: "maskformer",
    architectures: ["MaskFormerForInstanceSegmentation"],
    backbone_config: backboneConfig(shapes, source, facts),
    decoder_config: {
      model_type: "detr",
      d_model: sizes.hiddenDim,
      num_queries: sizes.queries,
      decoder_layers: sizes.decoderLayers,
      decoder_ffn_dim: sizes.feedForwardDim,
      decoder_attention_heads: heads,
      activation_function: "relu",
      // One rate for all that the authors drop; transformers has three.
      ...(dropout !== undefined && { dropout, attention_dropout: dropout, activation_dropout: dropout }),
    },
    fpn_feature_size: sizes.pyramidDim,
    mask_feature_size: sizes.maskDim,
    num_attention_heads: heads,
    num_hidden_layers: sizes.decoderLayers,
    ...(criterion && {
      no_object_weight: criterion.noObject,
      cross_entropy_weight: criterion.weights.class,
      mask_weight: criterion.weights.mask,
      dice_weight: criterion.weights.dice,
      // Not use_auxiliary_loss: with it transformers 5 predicts only when it is asked for all hidden states.
    }),
    ...labels(sizes.classes, source, facts),
  };
}
