/** @file The step of a fine-tuning run as its dry run sees it: graphs without weights. */

import { familyOf, sizesOf } from "../families/families.js";
import { planOf, type StepPlan } from "../run/step-estimate.js";
import type { AdamWOptions } from "../train/adamw.js";
import { buildClassLoss } from "./class-losses.js";
import { buildMaskLoss, PAIRS } from "./mask-losses.js";
import { buildMatching, OBJECTS } from "./matcher.js";
import { buildTraining, GRADIENT_PREFIX } from "./programs.js";
import type { SegmentationOptions } from "./segmentation.js";

/** Objects of an image, which the time of the criterion depends on: about as many as COCO's images have. */
const TYPICAL_OBJECTS = 10;

/** `batch`: images of a step. The choice of points, about a tenth of a step's time, is not in the plan. */
export function planFinetuning(options: SegmentationOptions, optim: AdamWOptions, batch: number): StepPlan {
  const { architecture, criterion, microBatch: images, size } = options;
  const { forward, backward, weights, outputs, maskSize } = buildTraining(architecture, images, size);
  const shape = { images, ...sizesOf(architecture), size, maskSize };
  const runs = (perRun: number) => outputs.length * Math.ceil((images * TYPICAL_OBJECTS) / perRun);
  return planOf({
    weights,
    online: weights.declarations,
    target: new Map(),
    prefixes: familyOf(architecture).prefixes,
    microBatch: [
      { graph: forward, times: 1 },
      { graph: buildMatching(shape, criterion), times: runs(OBJECTS * images) },
      { graph: buildMaskLoss(criterion), times: runs(PAIRS) },
      { graph: buildClassLoss(shape, outputs.length, criterion), times: 1 },
      { graph: backward, times: 1 },
    ],
    elsewhere: (name) => weights.declarations.has(name) || name.startsWith(GRADIENT_PREFIX),
    evaluation: [],
    optim,
    images: batch,
    microBatchImages: images,
  });
}
