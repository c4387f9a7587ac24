/** @file Whole models: OneFormer as Hugging Face transformers names it (its modeling_oneformer.py). */

import { HUGGINGFACE_ENCODER, PROJECTIONS } from "./mask2former.js";
import { below, type Rule, renames } from "./rules.js";

const LAYER = "decoder.layers.{i}";
const CROSS = "transformer_cross_attention_layers.{i}";
const SELF = "transformer_self_attention_layers.{i}";

const PREDICTOR: readonly Rule[] = [
  ...renames([
    [`${CROSS}.{*}`, `${LAYER}.cross_attn.{*}`],
    [`${SELF}.self_attn.out_proj.{p}`, `${LAYER}.self_attn.self_attn.out_proj.{p}`],
    [`${SELF}.norm.{p}`, `${LAYER}.self_attn.norm.{p}`],
    ["transformer_ffn_layers.{i}.{*}", `${LAYER}.ffn.{*}`],
    ["class_transformer.decoder.{*}", "decoder.query_transformer.decoder.{*}"],
    ["class_input_proj.{p}", "decoder.query_input_projection.{p}"],
    ["decoder_norm.{p}", "decoder.decoder_norm.{p}"],
    ["class_embed.{p}", "decoder.class_embed.{p}"],
    ["mask_embed.layers.{i}.{p}", "decoder.mask_embed.layers.{i}.0.{p}"],
    ["query_embed.weight", "queries_embedder.weight"],
    ["level_embed.weight", "level_embed.weight"],
    ["input_proj.{i}.{p}", "input_projections.{i}.{p}"],
  ]),
  ...["weight", "bias"].map((kind) => ({
    canonical: `${SELF}.self_attn.in_proj_${kind}`,
    foreign: PROJECTIONS.map((part) => `${LAYER}.self_attn.self_attn.${part}.${kind}`),
  })),
];

const BLOCK = "transformer.resblocks.{i}";
const TEXT_LAYER = "transformer.layers.{i}";

const TEXT_ENCODER: readonly Rule[] = renames([
  [`${BLOCK}.attn.{*}`, `${TEXT_LAYER}.self_attn.{*}`],
  [`${BLOCK}.ln_{n}.{p}`, `${TEXT_LAYER}.layer_norm{n}.{p}`],
  [`${BLOCK}.mlp.c_fc.{p}`, `${TEXT_LAYER}.mlp.fc1.{p}`],
  [`${BLOCK}.mlp.c_proj.{p}`, `${TEXT_LAYER}.mlp.fc2.{p}`],
  ["{*}", "{*}"],
]);

/** `OneFormerForUniversalSegmentation`, with a Swin or ResNet backbone; with the text branch where it is to train. */
export const HUGGINGFACE_ONEFORMER: readonly Rule[] = [
  ...HUGGINGFACE_ENCODER,
  ...below(PREDICTOR, "sem_seg_head.predictor.", "model.transformer_module."),
  ...below(TEXT_ENCODER, "text_encoder.", "model.text_mapper.text_encoder."),
  ...renames([
    ["task_mlp.layers.{i}.{p}", "model.task_encoder.task_mlp.layers.{i}.0.{p}"],
    ["text_projector.layers.{i}.{p}", "model.text_mapper.text_projector.layers.{i}.0.{p}"],
    ["prompt_ctx.weight", "model.text_mapper.prompt_ctx.weight"],
    ["criterion.{p}", "criterion.{p}"],
  ]),
];
