/** @file From the settings of a model to the options of its parts. Below this nobody sees a settings object. */

import type { BackboneOptions } from "../models/backbone.js";
import type { PixelDecoderOptions } from "../models/pixel-decoder.js";
import type { ModelSettings, RecomputeBlock } from "./model-settings.js";

type Recomputed = readonly RecomputeBlock[];

export function backboneOptions(model: ModelSettings, recompute: Recomputed): BackboneOptions {
  const { backbone, stemChannels, stageBlocks, stageChannels, norm } = model;
  const recomputeBlocks = recompute.includes("backbone");
  return { kind: backbone, stemChannels, stageBlocks, stageChannels, norm, recomputeBlocks };
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
