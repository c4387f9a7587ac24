/** @file From the settings of a model to the architecture that its family builds. Below this nobody sees a settings object. */

import type { Architecture, EncoderArchitecture } from "../families/families.js";
import type { BackboneOptions } from "../models/backbone.js";
import type { ModelSettings, RecomputeBlock } from "./model-settings.js";

type Recomputed = readonly RecomputeBlock[];

function backboneOptions(model: ModelSettings, recompute: Recomputed): BackboneOptions {
  const recomputeBlocks = recompute.includes("backbone");
  if (model.backbone === "swin") {
    const { embedDim, stageBlocks: depths, stageHeads: heads, window, dropPath } = model;
    return { kind: "swin", embedDim, depths, heads, window, dropPath, recomputeBlocks };
  }
  const { stemChannels, stageBlocks, stageChannels, backboneNormGroups, normGroups } = model;
  const norm = model.norm === "group" ? { groups: backboneNormGroups ?? normGroups } : model.norm;
  return { kind: "resnet50", stemChannels, stageBlocks, stageChannels, norm, recomputeBlocks };
}

/** Backbone and pixel decoder: what pretraining trains beside the decoder's layers. */
export function encoderArchitecture(model: ModelSettings, recompute: Recomputed): EncoderArchitecture {
  return {
    family: model.family,
    backbone: backboneOptions(model, recompute),
    pixelDecoder: {
      hiddenDim: model.hiddenDim,
      heads: model.heads,
      points: model.points,
      layers: model.pixelDecoderLayers,
      feedForwardDim: model.pixelDecoderFfn,
      normGroups: model.normGroups,
      recomputeLayers: recompute.includes("encoder-layers"),
      recomputeRows: recompute.includes("deformable-attention"),
    },
  };
}

/** The whole model, for `classes` classes. */
export function modelArchitecture(
  model: ModelSettings,
  { queries }: { readonly queries: number },
  classes: number,
  recompute: Recomputed,
): Architecture {
  return {
    ...encoderArchitecture(model, recompute),
    transformerDecoder: {
      hiddenDim: model.hiddenDim,
      maskDim: model.hiddenDim,
      queries,
      layers: model.decoderLayers,
      classes,
      heads: model.heads,
      feedForwardDim: model.decoderFfn,
      recomputeLayers: recompute.includes("decoder-layers"),
    },
  };
}
