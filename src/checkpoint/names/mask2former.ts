/** @file Whole models: Mask2Former as Hugging Face transformers names it (its modeling_mask2former.py). */

import { HUGGINGFACE_RESNET } from "./resnet.js";
import { below, type Rule, renames } from "./rules.js";
import { HUGGINGFACE_OLD_SWIN, HUGGINGFACE_SWIN } from "./swin.js";

const DEFORMABLE = "transformer.encoder.layers.{i}";

const PIXEL_DECODER: readonly Rule[] = renames([
  ["input_proj.{l}.{i}.{p}", "input_projections.{l}.{i}.{p}"],
  ["transformer.level_embed", "level_embed"],
  [`${DEFORMABLE}.self_attn.{*}`, "encoder.layers.{i}.self_attn.{*}"],
  [`${DEFORMABLE}.norm1.{p}`, "encoder.layers.{i}.self_attn_layer_norm.{p}"],
  [`${DEFORMABLE}.linear1.{p}`, "encoder.layers.{i}.fc1.{p}"],
  [`${DEFORMABLE}.linear2.{p}`, "encoder.layers.{i}.fc2.{p}"],
  [`${DEFORMABLE}.norm2.{p}`, "encoder.layers.{i}.final_layer_norm.{p}"],
  ["adapter_{n}.weight", "adapter_{n}.0.weight"],
  ["adapter_{n}.norm.{p}", "adapter_{n}.1.{p}"],
  ["layer_{n}.weight", "layer_{n}.0.weight"],
  ["layer_{n}.norm.{p}", "layer_{n}.1.{p}"],
  ["mask_features.{p}", "mask_projection.{p}"],
]);

const CROSS = "transformer_cross_attention_layers.{i}";
const SELF = "transformer_self_attention_layers.{i}";
const FEED_FORWARD = "transformer_ffn_layers.{i}";
const LAYER = "decoder.layers.{i}";
/** The parts of a projection that others keep as one. */
export const PROJECTIONS = ["q_proj", "k_proj", "v_proj"];

/** Self-attention is kept in three parts, cross-attention in one. */
const PREDICTOR: readonly Rule[] = [
  ...renames([
    [`${CROSS}.multihead_attn.{*}`, `${LAYER}.cross_attn.{*}`],
    [`${CROSS}.norm.{p}`, `${LAYER}.cross_attn_layer_norm.{p}`],
    [`${SELF}.self_attn.out_proj.{p}`, `${LAYER}.self_attn.out_proj.{p}`],
    [`${SELF}.norm.{p}`, `${LAYER}.self_attn_layer_norm.{p}`],
    [`${FEED_FORWARD}.linear1.{p}`, `${LAYER}.fc1.{p}`],
    [`${FEED_FORWARD}.linear2.{p}`, `${LAYER}.fc2.{p}`],
    [`${FEED_FORWARD}.norm.{p}`, `${LAYER}.final_layer_norm.{p}`],
    ["decoder_norm.{p}", "decoder.layernorm.{p}"],
    ["mask_embed.layers.{i}.{p}", "decoder.mask_predictor.mask_embedder.{i}.0.{p}"],
    ["query_embed.weight", "queries_embedder.weight"],
    ["query_feat.weight", "queries_features.weight"],
    ["level_embed.weight", "level_embed.weight"],
    ["input_proj.{i}.{p}", "input_projections.{i}.{p}"],
  ]),
  ...["weight", "bias"].map((kind) => ({
    canonical: `${SELF}.self_attn.in_proj_${kind}`,
    foreign: PROJECTIONS.map((part) => `${LAYER}.self_attn.${part}.${kind}`),
  })),
];

const ENCODER = "model.pixel_level_module.encoder.";

/** Backbone and pixel decoder of Mask2Former and its relatives. */
export const HUGGINGFACE_ENCODER: readonly Rule[] = [
  ...below(HUGGINGFACE_SWIN, "backbone.", ENCODER),
  ...below(HUGGINGFACE_RESNET, "backbone.", ENCODER),
  ...below(HUGGINGFACE_OLD_SWIN, "backbone.", ENCODER),
  ...below(PIXEL_DECODER, "sem_seg_head.pixel_decoder.", "model.pixel_level_module.decoder."),
];

/** `Mask2FormerForUniversalSegmentation`, with a Swin or ResNet backbone. */
export const HUGGINGFACE_MASK2FORMER: readonly Rule[] = [
  ...HUGGINGFACE_ENCODER,
  ...below(PREDICTOR, "sem_seg_head.predictor.", "model.transformer_module."),
  ...renames([
    ["sem_seg_head.predictor.class_embed.{p}", "class_predictor.{p}"],
    ["criterion.empty_weight", "criterion.empty_weight"],
  ]),
];

/** Releases call the content of the queries `static_query`; everything else has its name. */
export const MASK2FORMER: readonly Rule[] = [
  {
    canonical: "sem_seg_head.predictor.query_feat.{p}",
    foreign: "sem_seg_head.predictor.static_query.{p}",
    readOnly: true,
  },
  { canonical: "{*}", foreign: "{*}" },
];

/** Files from before the pixel decoder had a module of its own: the loading hook of the original code does the same. */
export const FIRST_MASK2FORMER: readonly Rule[] = [
  ...MASK2FORMER.slice(0, 1),
  { canonical: "sem_seg_head.predictor.{*}", foreign: "sem_seg_head.predictor.{*}" },
  { canonical: "sem_seg_head.pixel_decoder.{*}", foreign: "sem_seg_head.{*}", readOnly: true },
  { canonical: "{*}", foreign: "{*}" },
];
