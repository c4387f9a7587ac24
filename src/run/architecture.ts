/**
 * @file From the settings of a model to the architecture that its family builds. Below this nobody sees a settings
 * object.
 */

import { type Architecture, type EncoderArchitecture, encoderOf, modelOf } from "../families/families.js";
import type { RecomputeBlock } from "../families/settings.js";
import type { BackboneOptions } from "../models/backbone.js";
import type { ModelSettings } from "./model-settings.js";

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
  return encoderOf(model, { backbone: backboneOptions(model, recompute), recompute });
}

/** The whole model, for `classes` classes. */
export function modelArchitecture(
  model: ModelSettings,
  { queries }: { readonly queries: number },
  classes: number,
  recompute: Recomputed,
): Architecture {
  return modelOf(model, { backbone: backboneOptions(model, recompute), recompute, queries, classes });
}
