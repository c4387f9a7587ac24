/**
 * @file Swin Transformers under other names. Canonical: those of Mask2Former, which are Microsoft's with one norm for
 * each output, without `backbone.` (Mask2Former's swin.py, transformers' modeling_swin.py).
 */

import { below, isFusion, type Rule, renames } from "./rules.js";

/** Microsoft's classification models, MoBY's encoder, Mask2Former's backbone. */
export const MICROSOFT_SWIN: readonly Rule[] = renames([
  ["patch_embed.{*}", "patch_embed.{*}"],
  ["layers.{s}.{*}", "layers.{s}.{*}"],
  ["norm{s}.{p}", "norm{s}.{p}"],
  ["norm.{p}", "norm.{p}"],
  ["head.{p}", "head.{p}"],
  ["absolute_pos_embed", "absolute_pos_embed"],
]);

/** timm since 0.8: the merging of patches opens a stage instead of closing the one before. */
export const TIMM_SWIN: readonly Rule[] = renames([
  ["patch_embed.{*}", "patch_embed.{*}"],
  ["layers.{s}.downsample.{*}", "layers.{s+1}.downsample.{*}"],
  ["layers.{s}.blocks.{*}", "layers.{s}.blocks.{*}"],
  ["norm{s}.{p}", "norm{s}.{p}"],
  ["norm.{p}", "norm.{p}"],
  ["head.{p}", "head.fc.{p}"],
]);

const BLOCK = "layers.{s}.blocks.{b}";
const FOREIGN_BLOCK = `encoder.${BLOCK}`;
const SELF = `${FOREIGN_BLOCK}.attention.self`;

/** Hugging Face `SwinModel` and `SwinBackbone`. */
export const HUGGINGFACE_SWIN: readonly Rule[] = [
  ...renames([
    ["patch_embed.proj.{p}", "embeddings.patch_embeddings.projection.{p}"],
    ["patch_embed.norm.{p}", "embeddings.norm.{p}"],
    [`${BLOCK}.norm1.{p}`, `${FOREIGN_BLOCK}.layernorm_before.{p}`],
    [`${BLOCK}.norm2.{p}`, `${FOREIGN_BLOCK}.layernorm_after.{p}`],
    [`${BLOCK}.attn.relative_position_bias_table`, `${SELF}.relative_position_bias_table`],
    [`${BLOCK}.attn.relative_position_index`, `${SELF}.relative_position_index`],
    [`${BLOCK}.attn.proj.{p}`, `${FOREIGN_BLOCK}.attention.output.dense.{p}`],
    [`${BLOCK}.mlp.fc1.{p}`, `${FOREIGN_BLOCK}.intermediate.dense.{p}`],
    [`${BLOCK}.mlp.fc2.{p}`, `${FOREIGN_BLOCK}.output.dense.{p}`],
    ["layers.{s}.downsample.{*}", "encoder.layers.{s}.downsample.{*}"],
    ["norm{s}.{p}", "hidden_states_norms.stage{s+1}.{p}"],
    ["norm.{p}", "swin.layernorm.{p}"], // unused; transformers 5 keeps it in backbones
  ]),
  { canonical: "norm.{p}", foreign: "layernorm.{p}", readOnly: true },
  { canonical: `${BLOCK}.attn.qkv.{p}`, foreign: ["query", "key", "value"].map((part) => `${SELF}.${part}.{p}`) },
];

/** Hugging Face `MaskFormerSwinBackbone`: another level, and norms by number. */
export const MASKFORMER_SWIN: readonly Rule[] = [
  ...below(
    HUGGINGFACE_SWIN.filter(({ canonical }) => !canonical.startsWith("norm")),
    "",
    "model.",
  ),
  { canonical: "norm{s}.{p}", foreign: "hidden_states_norms.{s}.{p}" },
  { canonical: "norm.{p}", foreign: "model.layernorm.{p}" },
];

/** As older versions of transformers kept it inside Mask2Former. */
export const HUGGINGFACE_OLD_SWIN: readonly Rule[] = MASKFORMER_SWIN.map((rule) =>
  isFusion(rule) ? rule : { ...rule, readOnly: true },
);
