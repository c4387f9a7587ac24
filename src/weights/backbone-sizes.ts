/** @file The sizes of a backbone, read off the shapes of its tensors. */

import type { Shapes } from "./shapes.js";

export type PerStage = [number, number, number, number];

export interface ResNetSizes {
  readonly backbone: "resnet50";
  readonly imageChannels: number;
  readonly stemChannels: number;
  readonly stageBlocks: PerStage;
  readonly stageChannels: PerStage;
  /** Whether its norms have running statistics; group norms have none. */
  readonly statistics: boolean;
}

export interface SwinSizes {
  readonly backbone: "swin";
  readonly imageChannels: number;
  readonly patch: number;
  readonly embedDim: number;
  readonly stageBlocks: PerStage;
  readonly stageHeads: PerStage;
  readonly window: number;
}

const perStage = (sizeOf: (stage: number) => number): PerStage => [sizeOf(0), sizeOf(1), sizeOf(2), sizeOf(3)];

/** @throws InputError for tensors of no ResNet with bottlenecks and no Swin Transformer */
export function backboneSizes(shapes: Shapes): ResNetSizes | SwinSizes {
  return shapes.has("backbone.patch_embed.proj.weight") ? swinSizes(shapes) : resnetSizes(shapes);
}

function resnetSizes(shapes: Shapes): ResNetSizes {
  const [stemChannels, imageChannels] = shapes.of("backbone.stem.conv1.weight", 4);
  return {
    backbone: "resnet50",
    imageChannels,
    stemChannels,
    stageBlocks: perStage((stage) => shapes.count((block) => `backbone.res${stage + 2}.${block}.conv3.weight`)),
    stageChannels: perStage((stage) => shapes.of(`backbone.res${stage + 2}.0.conv3.weight`)[0]),
    statistics: shapes.has("backbone.stem.conv1.norm.running_mean"),
  };
}

function swinSizes(shapes: Shapes): SwinSizes {
  const [embedDim, imageChannels, patch] = shapes.of("backbone.patch_embed.proj.weight", 4);
  const table = (stage: number) => shapes.of(`backbone.layers.${stage}.blocks.0.attn.relative_position_bias_table`, 2);
  return {
    backbone: "swin",
    imageChannels,
    patch,
    embedDim,
    stageBlocks: perStage((s) => shapes.count((block) => `backbone.layers.${s}.blocks.${block}.norm1.weight`)),
    stageHeads: perStage((stage) => table(stage)[1]),
    window: (Math.sqrt(table(0)[0]) + 1) / 2,
  };
}
