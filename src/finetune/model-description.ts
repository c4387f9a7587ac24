/** @file From the settings of a run and the classes of its data to the model that it trains. */

import type { SegmentationClass } from "../masks/segmentation.js";
import type { Mask2FormerOptions } from "../models/mask2former.js";
import type { ModelDescription } from "../predict/trained-model.js";
import { backboneOptions, pixelDecoderOptions } from "../run/architecture.js";
import type { CriterionOptions } from "./criterion-programs.js";
import type { FinetuneSettings } from "./settings.js";

export function architectureOf({ model, decoder, run }: FinetuneSettings, classes: number): Mask2FormerOptions {
  return {
    backbone: backboneOptions(model, run.recompute),
    pixelDecoder: pixelDecoderOptions(model, run.recompute),
    transformerDecoder: {
      hiddenDim: model.hiddenDim,
      maskDim: model.hiddenDim,
      queries: decoder.queries,
      layers: model.decoderLayers,
      classes,
      heads: model.heads,
      feedForwardDim: model.decoderFfn,
    },
  };
}

/** What a checkpoint says of its model. */
export function describeModel(settings: FinetuneSettings, classes: readonly SegmentationClass[]): ModelDescription {
  return {
    kind: "mask2former",
    task: settings.data.task,
    classes,
    architecture: architectureOf(settings, classes.length),
    inference: settings.inference,
  };
}

export function criterionOptions({ criterion }: FinetuneSettings): CriterionOptions {
  const { points, oversampling, importance, noObject, classWeight, maskWeight, diceWeight } = criterion;
  const weights = { class: classWeight, mask: maskWeight, dice: diceWeight };
  return { points, oversampling, importance, noObject, weights };
}
