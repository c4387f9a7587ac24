/** @file From the settings of a model to the options of its parts. Below this nobody sees a settings object. */

import type { BackboneOptions } from "../models/backbone.js";
import type { PixelDecoderOptions } from "../models/pixel-decoder.js";
import type { ModelSettings, RecomputeBlock } from "./model-settings.js";

type Recomputed = readonly RecomputeBlock[];

export function backboneOptions(model: ModelSettings, recompute: Recomputed): BackboneOptions {
  const recomputeBlocks = recompute.includes("backbone");
  if (model.backbone === "swin") {
    const { embedDim, stageBlocks: depths, stageHeads: heads, window, dropPath } = model;
    return { kind: "swin", embedDim, depths, heads, window, dropPath, recomputeBlocks };
  }
  const { stemChannels, stageBlocks, stageChannels, normGroups: groups } = model;
  const norm = model.norm === "group" ? { groups } : model.norm;
  return { kind: "resnet50", stemChannels, stageBlocks, stageChannels, norm, recomputeBlocks };
}

export function pixelDecoderOptions(model: ModelSettings, recompute: Recomputed): PixelDecoderOptions {
  return {
    hiddenDim: model.hiddenDim,
    heads: model.heads,
    points: model.points,
    layers: model.pixelDecoderLayers,
    feedForwardDim: model.pixelDecoderFfn,
    normGroups: model.normGroups,
    recomputeLayers: recompute.includes("encoder-layers"),
    recomputeRows: recompute.includes("deformable-attention"),
  };
}
