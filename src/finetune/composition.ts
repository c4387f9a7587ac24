/** @file From the settings of a fine-tuning run to the options of its parts. Below this file nobody sees a settings object. */

import type { Architecture } from "../families/families.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";
import type { ModelDescription } from "../predict/trained-model.js";
import { modelArchitecture } from "../run/architecture.js";
import type { CriterionOptions } from "./criterion-options.js";
import type { FinetunerOptions } from "./finetuner.js";
import type { SegmentationOptions } from "./segmentation.js";
import type { FinetuneSettings } from "./settings.js";

export function architectureOf({ model, decoder, run }: FinetuneSettings, classes: number): Architecture {
  return modelArchitecture(model, decoder, classes, run.recompute);
}

/** What a checkpoint says of its model. */
export function describeModel(
  settings: FinetuneSettings,
  { task, classes }: { task: Task; classes: readonly SegmentationClass[] },
): ModelDescription {
  return {
    task,
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

/** The segmentation that a run trains. */
export function segmentationOptions(settings: FinetuneSettings, classes: number): SegmentationOptions {
  return {
    architecture: architectureOf(settings, classes),
    criterion: criterionOptions(settings),
    microBatch: settings.run.microBatch,
    size: settings.data.crop,
  };
}

/** `steps`: length of the whole run. */
export function finetunerOptions(settings: FinetuneSettings, classes: number, steps: number): FinetunerOptions {
  const { optim, run } = settings;
  return { ...segmentationOptions(settings, classes), optim, steps, seed: run.seed, batch: run.batch };
}
