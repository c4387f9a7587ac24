/** @file Whole models: MaskFormer as Hugging Face transformers names it, and as its authors' first files do. */

import { HUGGINGFACE_RESNET } from "./resnet.js";
import { below, type Rule, renames } from "./rules.js";
import { MASKFORMER_SWIN } from "./swin.js";

/** The pyramid's levels count from the coarsest: `layers.0` is level 3. */
const PYRAMID: readonly Rule[] = renames([
  ["layer_4.weight", "fpn.stem.0.weight"],
  ["layer_4.norm.{p}", "fpn.stem.1.{p}"],
  ...[0, 1, 2].flatMap((i): [string, string][] => [
    [`adapter_${3 - i}.weight`, `fpn.layers.${i}.proj.0.weight`],
    [`adapter_${3 - i}.norm.{p}`, `fpn.layers.${i}.proj.1.{p}`],
    [`layer_${3 - i}.weight`, `fpn.layers.${i}.block.0.weight`],
    [`layer_${3 - i}.norm.{p}`, `fpn.layers.${i}.block.1.{p}`],
  ]),
  ["mask_features.{p}", "mask_projection.{p}"],
]);

const LAYER = "transformer.decoder.layers.{i}";
const FOREIGN_LAYER = "decoder.layers.{i}";
const ATTENTIONS = [
  ["self_attn", "self_attn"],
  ["multihead_attn", "encoder_attn"],
] as const;

const PREDICTOR: readonly Rule[] = [
  ...renames([
    ...ATTENTIONS.map(([own, foreign]): [string, string] => [
      `${LAYER}.${own}.out_proj.{p}`,
      `${FOREIGN_LAYER}.${foreign}.out_proj.{p}`,
    ]),
    [`${LAYER}.norm1.{p}`, `${FOREIGN_LAYER}.self_attn_layer_norm.{p}`],
    [`${LAYER}.norm2.{p}`, `${FOREIGN_LAYER}.encoder_attn_layer_norm.{p}`],
    [`${LAYER}.linear1.{p}`, `${FOREIGN_LAYER}.fc1.{p}`],
    [`${LAYER}.linear2.{p}`, `${FOREIGN_LAYER}.fc2.{p}`],
    [`${LAYER}.norm3.{p}`, `${FOREIGN_LAYER}.final_layer_norm.{p}`],
    ["transformer.decoder.norm.{p}", "decoder.layernorm.{p}"],
    ["query_embed.weight", "queries_embedder.weight"],
    ["input_proj.{p}", "input_projection.{p}"],
  ]),
  ...ATTENTIONS.flatMap(([own, foreign]) =>
    ["weight", "bias"].map((kind) => ({
      canonical: `${LAYER}.${own}.in_proj_${kind}`,
      foreign: ["q_proj", "k_proj", "v_proj"].map((part) => `${FOREIGN_LAYER}.${foreign}.${part}.${kind}`),
    })),
  ),
];

const ENCODER = "model.pixel_level_module.encoder.";

/** `MaskFormerForInstanceSegmentation`, with a Swin or ResNet backbone; it has no encoder in its pixel decoder. */
export const HUGGINGFACE_MASKFORMER: readonly Rule[] = [
  ...below(MASKFORMER_SWIN, "backbone.", ENCODER),
  ...below(HUGGINGFACE_RESNET, "backbone.", ENCODER),
  ...below(PYRAMID, "sem_seg_head.pixel_decoder.", "model.pixel_level_module.decoder."),
  ...below(PREDICTOR, "sem_seg_head.predictor.", "model.transformer_module."),
  ...renames([
    ["sem_seg_head.predictor.class_embed.{p}", "class_predictor.{p}"],
    ["sem_seg_head.predictor.mask_embed.layers.{i}.{p}", "mask_embedder.{i}.0.{p}"],
    ["criterion.empty_weight", "criterion.empty_weight"],
  ]),
];
