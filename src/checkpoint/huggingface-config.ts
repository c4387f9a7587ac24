/** @file `config.json` and `preprocessor_config.json` of Hugging Face transformers (its models/mask2former/). */

import { InputError } from "../core/errors.js";
import type { Shape } from "../core/tensor-data.js";
import type { JsonObject } from "./checkpoint.js";

/** What the weights do not tell. */
export interface ModelFacts {
  /** Names of the classes in the order of the logits; numbered ones if absent. */
  readonly classes?: readonly string[];
  /** Of the decoder's attention; 8 in all published models. */
  readonly heads?: number;
  /** Sampling points of a head and level; transformers always has 4. */
  readonly points?: number;
  /** Groups of the group normalisations; transformers always has 32. */
  readonly normGroups?: number;
  /** Size of the images to predict on; the shorter side, unless the longer one would exceed `longEdge`. */
  readonly shortEdge?: number;
  readonly longEdge?: number;
  /** Rate of the backbone's drop path in training. */
  readonly dropPath?: number;
  /** How the model was trained. */
  readonly criterion?: CriterionFacts;
}

export interface CriterionFacts {
  /** Of the losses and of the matching. */
  readonly weights: { readonly class: number; readonly mask: number; readonly dice: number };
  /** Weight of "no object" in the classification loss. */
  readonly noObject: number;
  /** Points of the mask losses, candidates for the uncertain ones as a multiple, and the share of these. */
  readonly points: number;
  readonly oversampling: number;
  readonly importance: number;
}

/** ImageNet's statistics, of colours from 0 to 1. */
const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];
const POINTS = 4;
const LEVELS = 3;
const GROUPS = 32;

class Shapes {
  constructor(
    private readonly shapes: ReadonlyMap<string, Shape>,
    private readonly source: string,
  ) {}

  of(name: string): Shape {
    const shape = this.shapes.get(name);
    if (shape) return shape;
    throw new InputError({
      where: this.source,
      expected: `a whole model for Hugging Face, with ${name}`,
      found: "none",
    });
  }

  has(name: string): boolean {
    return this.shapes.has(name);
  }

  /** How many consecutive names `nameOf(0)`, `nameOf(1)`, ... there are. */
  count(nameOf: (i: number) => string): number {
    let n = 0;
    while (this.shapes.has(nameOf(n))) n++;
    return n;
  }
}

const STAGES = [0, 1, 2, 3];
const OUT_FEATURES = STAGES.map((stage) => `stage${stage + 1}`);

/** The backbone alone: `SwinBackbone` or `ResNetBackbone`. */
export function backboneConfig(
  shapes: ReadonlyMap<string, Shape>,
  source: string,
  { dropPath }: Pick<ModelFacts, "dropPath"> = {},
): JsonObject {
  const known = new Shapes(shapes, source);
  return known.has("backbone.patch_embed.proj.weight") ? swinConfig(known, dropPath) : resnetConfig(known);
}

function swinConfig(shapes: Shapes, dropPath: number | undefined): JsonObject {
  const [embedDim, channels, patch] = shapes.of("backbone.patch_embed.proj.weight");
  const table = (stage: number) => shapes.of(`backbone.layers.${stage}.blocks.0.attn.relative_position_bias_table`);
  const window = (Math.sqrt(table(0)[0]) + 1) / 2;
  return {
    model_type: "swin",
    architectures: ["SwinBackbone"],
    image_size: 32 * window, // 224 for windows of 7, 384 for 12
    patch_size: patch,
    num_channels: channels,
    embed_dim: embedDim,
    depths: STAGES.map((stage) => shapes.count((block) => `backbone.layers.${stage}.blocks.${block}.norm1.weight`)),
    num_heads: STAGES.map((stage) => table(stage)[1]),
    window_size: window,
    mlp_ratio: 4,
    qkv_bias: true,
    hidden_dropout_prob: 0,
    attention_probs_dropout_prob: 0,
    ...(dropPath !== undefined && { drop_path_rate: dropPath }),
    hidden_act: "gelu",
    use_absolute_embeddings: false,
    layer_norm_eps: 1e-5,
    initializer_range: 0.02,
    out_features: OUT_FEATURES,
  };
}

function resnetConfig(shapes: Shapes): JsonObject {
  const [embeddingSize, channels] = shapes.of("backbone.stem.conv1.weight");
  return {
    model_type: "resnet",
    architectures: ["ResNetBackbone"],
    num_channels: channels,
    embedding_size: embeddingSize,
    hidden_sizes: STAGES.map((stage) => shapes.of(`backbone.res${stage + 2}.0.conv3.weight`)[0]),
    depths: STAGES.map((stage) => shapes.count((block) => `backbone.res${stage + 2}.${block}.conv3.weight`)),
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
  const known = new Shapes(shapes, source);
  const pixelDecoder = "sem_seg_head.pixel_decoder";
  const predictor = "sem_seg_head.predictor";
  const [queries, hiddenDim] = known.of(`${predictor}.query_feat.weight`);
  const classCount = known.of(`${predictor}.class_embed.weight`)[0] - 1;
  const featureSize = known.of(`${pixelDecoder}.input_proj.0.0.weight`)[0];
  const encoderLayer = (i: number) => `${pixelDecoder}.transformer.encoder.layers.${i}.linear1.weight`;
  const decoderLayer = (i: number) => `${predictor}.transformer_ffn_layers.${i}.linear1.weight`;
  const offsets = known.of(`${pixelDecoder}.transformer.encoder.layers.0.self_attn.sampling_offsets.weight`)[0];
  const { heads = 8, points = POINTS, normGroups = GROUPS } = facts;
  if (offsets !== heads * LEVELS * POINTS * 2 || points !== POINTS || normGroups !== GROUPS) {
    throw new InputError({
      where: source,
      expected:
        `a model that transformers can express: ${LEVELS} levels, ${POINTS} sampling points, equal numbers of ` +
        `heads, norms in ${GROUPS} groups`,
      found: `${heads} heads, ${points} points, ${offsets} offsets, norms in ${normGroups} groups`,
    });
  }
  const names = facts.classes ?? Array.from({ length: classCount }, (_, i) => `LABEL_${i}`);
  if (names.length !== classCount) {
    throw new InputError({ where: source, expected: `${classCount} names of classes`, found: String(names.length) });
  }
  return {
    model_type: "mask2former",
    architectures: ["Mask2FormerForUniversalSegmentation"],
    backbone_config: backboneConfig(shapes, source, facts),
    feature_size: featureSize,
    mask_feature_size: known.of(`${pixelDecoder}.mask_features.weight`)[0],
    hidden_dim: hiddenDim,
    encoder_feedforward_dim: known.of(encoderLayer(0))[0],
    encoder_layers: known.count(encoderLayer),
    decoder_layers: known.count(decoderLayer) + 1, // counts the prediction before the first layer
    dim_feedforward: known.of(decoderLayer(0))[0],
    num_attention_heads: heads,
    activation_function: "relu",
    dropout: 0,
    pre_norm: false,
    enforce_input_projection: false,
    common_stride: 4,
    feature_strides: [4, 8, 16, 32],
    num_queries: queries,
    ...(facts.criterion && trainingConfig(facts.criterion)),
    output_auxiliary_logits: null,
    id2label: Object.fromEntries(names.map((name, i) => [String(i), name])),
    label2id: Object.fromEntries(names.map((name, i) => [name, i])),
  };
}

/** What training did; left out, transformers fine-tunes with numbers of its own. */
function trainingConfig({ weights, noObject, points, oversampling, importance }: CriterionFacts): JsonObject {
  return {
    no_object_weight: noObject,
    class_weight: weights.class,
    mask_weight: weights.mask,
    dice_weight: weights.dice,
    train_num_points: points,
    oversample_ratio: oversampling,
    importance_sample_ratio: importance,
    use_auxiliary_loss: true,
  };
}

/** `preprocessor_config.json`: images keep their proportions, as the original code tests. */
export function preprocessorConfig(classCount: number, { shortEdge = 800, longEdge = 1333 }: ModelFacts): JsonObject {
  return {
    image_processor_type: "Mask2FormerImageProcessor",
    do_resize: true,
    size: { shortest_edge: shortEdge, longest_edge: longEdge },
    size_divisor: 32,
    resample: 2,
    do_rescale: true,
    rescale_factor: 1 / 255,
    do_normalize: true,
    image_mean: MEAN,
    image_std: STD,
    ignore_index: 255,
    do_reduce_labels: false,
    num_labels: classCount,
  };
}

/** transformers checks the types of its settings, and Python tells 2 from 2.0. */
const FLOATS = /^(\s*"(?:\w+_weight|dropout|\w+_dropout\w*|\w+_ratio|drop_path_rate)": \d+)(,?)$/gm;

/** The text of a configuration file. */
export const settingsText = (value: JsonObject): string =>
  `${JSON.stringify(value, null, 2).replace(FLOATS, "$1.0$2")}\n`;
