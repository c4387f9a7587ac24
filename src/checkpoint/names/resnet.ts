/**
 * @file ResNets with bottleneck blocks under other names. Canonical: detectron2's, without `backbone.`
 * (detectron2's resnet.py, transformers' modeling_resnet.py).
 */

import { type Rule, renames } from "./rules.js";

/**
 * torchvision, timm, and what was trained with their classes (VICRegL): `layer1.0.bn2.weight`. The classifier takes the
 * name that detectron2's own conversion gives it.
 */
export const TORCHVISION_RESNET: readonly Rule[] = renames([
  ["stem.conv1.weight", "conv1.weight"],
  ["stem.conv1.norm.{p}", "bn1.{p}"],
  ["res{s+1}.{j}.shortcut.weight", "layer{s}.{j}.downsample.0.weight"],
  ["res{s+1}.{j}.shortcut.norm.{p}", "layer{s}.{j}.downsample.1.{p}"],
  ["res{s+1}.{j}.conv{i}.weight", "layer{s}.{j}.conv{i}.weight"],
  ["res{s+1}.{j}.conv{i}.norm.{p}", "layer{s}.{j}.bn{i}.{p}"],
  ["stem.fc.{p}", "fc.{p}"],
]);

/** Hugging Face `ResNetModel` and `ResNetBackbone`. */
export const HUGGINGFACE_RESNET: readonly Rule[] = renames([
  ["stem.conv1.weight", "embedder.embedder.convolution.weight"],
  ["stem.conv1.norm.{p}", "embedder.embedder.normalization.{p}"],
  ["res{s+2}.{j}.shortcut.weight", "encoder.stages.{s}.layers.{j}.shortcut.convolution.weight"],
  ["res{s+2}.{j}.shortcut.norm.{p}", "encoder.stages.{s}.layers.{j}.shortcut.normalization.{p}"],
  ["res{s+2}.{j}.conv{i+1}.weight", "encoder.stages.{s}.layers.{j}.layer.{i}.convolution.weight"],
  ["res{s+2}.{j}.conv{i+1}.norm.{p}", "encoder.stages.{s}.layers.{j}.layer.{i}.normalization.{p}"],
]);

/** detectron2: what its model zoo calls `R-50.pkl`. */
export const DETECTRON2_RESNET: readonly Rule[] = renames([
  ["stem.{*}", "stem.{*}"],
  ["res{s}.{*}", "res{s}.{*}"],
]);
