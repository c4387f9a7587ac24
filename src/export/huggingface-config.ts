/** @file `config.json` and `preprocessor_config.json` of Hugging Face transformers (its models/mask2former/). */

import type { JsonObject } from "../checkpoint/checkpoint.js";
import { IMAGENET_MEAN, IMAGENET_STD } from "../core/colour-statistics.js";
import { InputError } from "../core/errors.js";
import type { Shape } from "../core/tensor-data.js";
import { backboneSizes, type ResNetSizes, type SwinSizes } from "../weights/backbone-sizes.js";
import { LEVELS, type PixelDecoderSizes, pixelDecoderSizes, predictorSizes } from "../weights/mask2former-sizes.js";
import type { CriterionFacts } from "../weights/model-description.js";
import { Shapes } from "../weights/shapes.js";
import type { ModelFacts } from "./model-facts.js";

/** Colours from 0 to 255 as they are given to transformers: from 0 to 1, without the rounding of the division. */
const ofOne = (values: readonly number[]) => values.map((value) => Number((value / 255).toFixed(6)));
const POINTS = 4;
/** Of all group norms in transformers. */
export const GROUPS = 32;

const OUT_FEATURES = ["stage1", "stage2", "stage3", "stage4"];

export const shapesOf = (shapes: ReadonlyMap<string, Shape>, source: string) =>
  new Shapes(shapes, source, "a whole model for Hugging Face");

/** The backbone alone: `SwinBackbone` or `ResNetBackbone`. */
export function backboneConfig(
  shapes: ReadonlyMap<string, Shape>,
  source: string,
  { dropPath }: Pick<ModelFacts, "dropPath"> = {},
): JsonObject {
  const sizes = backboneSizes(shapesOf(shapes, source));
  return sizes.backbone === "swin" ? swinConfig(sizes, dropPath) : resnetConfig(sizes);
}

function swinConfig(sizes: SwinSizes, dropPath: number | undefined): JsonObject {
  const { imageChannels, patch, embedDim, stageBlocks, stageHeads, window } = sizes;
  return {
    model_type: "swin",
    architectures: ["SwinBackbone"],
    image_size: 32 * window, // 224 for windows of 7, 384 for 12
    patch_size: patch,
    num_channels: imageChannels,
    embed_dim: embedDim,
    depths: [...stageBlocks],
    num_heads: [...stageHeads],
    window_size: window,
    mlp_ratio: 4,
    qkv_bias: true,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    ...(dropPath !== undefined && { drop_path_rate: dropPath }),
    hidden_act: "gelu",
    use_absolute_embeddings: false,
    layer_norm_eps: 1e-5,
    out_features: OUT_FEATURES,
  };
}

function resnetConfig({ imageChannels, stemChannels, stageBlocks, stageChannels }: ResNetSizes): JsonObject {
  return {
    model_type: "resnet",
    architectures: ["ResNetBackbone"],
    num_channels: imageChannels,
    embedding_size: stemChannels,
    hidden_sizes: [...stageChannels],
    depths: [...stageBlocks],
    layer_type: "bottleneck",
    hidden_act: "relu",
    downsample_in_first_stage: false,
    downsample_in_bottleneck: false,
    out_features: OUT_FEATURES,
  };
}

/**
 * `config.json` of `Mask2FormerForUniversalSegmentation`, read off the shapes of canonical tensors.
 * @throws InputError when they are no whole model, or one that transformers cannot express
 */
export function modelConfig(shapes: ReadonlyMap<string, Shape>, source: string, facts: ModelFacts = {}): JsonObject {
  const known = shapesOf(shapes, source);
  const predictor = predictorSizes(known);
  const pixelDecoder = pixelDecoderSizes(known);
  const heads = requirePoints(pixelDecoder, facts, source);
  return {
    model_type: "mask2former",
    architectures: ["Mask2FormerForUniversalSegmentation"],
    backbone_config: backboneConfig(shapes, source, facts),
    feature_size: pixelDecoder.hiddenDim,
    mask_feature_size: pixelDecoder.maskDim,
    hidden_dim: predictor.hiddenDim,
    encoder_feedforward_dim: pixelDecoder.feedForwardDim,
    encoder_layers: pixelDecoder.layers,
    decoder_layers: predictor.layers + 1, // counts the prediction before the first layer
    dim_feedforward: predictor.feedForwardDim,
    num_attention_heads: heads,
    activation_function: "relu",
    dropout: 0,
    pre_norm: false,
    enforce_input_projection: false,
    common_stride: 4,
    feature_strides: [4, 8, 16, 32],
    num_queries: predictor.queries,
    ...(facts.criterion && trainingConfig(facts.criterion)),
    output_auxiliary_logits: null,
    ...labels(predictor.classes, source, facts),
  };
}

/** The heads of a pixel decoder that transformers can express. Throws `InputError` for another one. */
export function requirePoints(
  { headPoints }: PixelDecoderSizes,
  { heads = 8, normGroups = GROUPS }: ModelFacts,
  where: string,
): number {
  if (headPoints === heads * POINTS && normGroups === GROUPS) return heads;
  const has = `${LEVELS} levels, ${POINTS} sampling points, equal numbers of heads, norms in ${GROUPS} groups`;
  throw new InputError({
    where,
    expected: `a model that transformers can express: ${has}`,
    found: `${heads} heads, ${headPoints / heads} points, norms in ${normGroups} groups`,
  });
}

/** Names of the classes by their numbers, and back. @throws InputError for another number of names */
export function labels(classes: number, source: string, facts: ModelFacts): JsonObject {
  const names = facts.classes ?? Array.from({ length: classes }, (_, i) => `LABEL_${i}`);
  if (names.length !== classes) {
    throw new InputError({ where: source, expected: `${classes} names of classes`, found: String(names.length) });
  }
  return {
    id2label: Object.fromEntries(names.map((name, i) => [String(i), name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
  };
}

/** What training did; left out, transformers fine-tunes with numbers of its own. */
export function trainingConfig({ weights, noObject, points, oversampling, importance }: CriterionFacts): JsonObject {
  return {
    no_object_weight: noObject,
    class_weight: weights.class,
    mask_weight: weights.mask,
    dice_weight: weights.dice,
    ...(points !== undefined && { train_num_points: points }),
    ...(oversampling !== undefined && { oversample_ratio: oversampling }),
    ...(importance !== undefined && { importance_sample_ratio: importance }),
    use_auxiliary_loss: true,
  };
}

/** `preprocessor_config.json`: images keep their proportions, as the original code tests. */
export function preprocessorConfig(type: string, classCount: number, { shortEdge, longEdge }: ModelFacts): JsonObject {
  return {
    image_processor_type: type,
    do_resize: true,
    ...(shortEdge !== undefined &&
      longEdge !== undefined && { size: { shortest_edge: shortEdge, longest_edge: longEdge } }),
    size_divisor: 32,
    resample: 2,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: ofOne(IMAGENET_MEAN),
    image_std: ofOne(IMAGENET_STD),
    ignore_index: 255,
    do_reduce_labels: false,
    num_labels: classCount,
  };
}

/** transformers checks the types of its settings, and Python tells 2 from 2.0. */
const FLOATS = /^(\s*"(?:\w+_weight|dropout|\w+_dropout\w*|\w+_ratio|drop_path_rate)": \d+)(,?)$/gm;

/** The text of a configuration file. */
export const settingsText = (value: object): string => `${JSON.stringify(value, null, 2).replace(FLOATS, "$1.0$2")}\n`;
