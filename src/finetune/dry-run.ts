/** @file The step of a fine-tuning run as its dry run sees it: graphs without weights. */

import { familyOf } from "../families/families.js";
import { planOf, type StepPlan } from "../run/step-estimate.js";
import type { AdamWOptions } from "../train/adamw.js";
import { criterionGraphs } from "./criterion.js";
import { OBJECTS } from "./matcher.js";
import { buildTraining, GRADIENT_PREFIX } from "./programs.js";
import { criterionFrame, type SegmentationOptions } from "./segmentation.js";

/** Objects of an image, which the time of the criterion depends on: about as many as COCO's images have. */
const TYPICAL_OBJECTS = 10;

/** `batch`: images of a step. The choice of points, about a tenth of a step's time, is not in the plan. */
export function planFinetuning(options: SegmentationOptions, optim: AdamWOptions, batch: number): StepPlan {
  const { architecture, criterion, microBatch: images, size, frozen } = options;
  const graphs = buildTraining(architecture, images, size, frozen);
  const { forward, backward, weights, outputs } = graphs;
  const queries = outputs.map((output) => output.queries);
  const { matching, maskLoss, classLoss } = criterionGraphs(criterionFrame(options, graphs), queries, criterion);
  const [pairs] = maskLoss.outputs.get("mask")?.shape ?? [1];
  const runs = (perRun: number, of = outputs) => of.length * Math.ceil((images * TYPICAL_OBJECTS) / perRun);
  const matched = outputs.filter(({ objects }) => objects === "matched");
  return planOf({
    weights,
    online: weights.declarations,
    target: new Map(),
    prefixes: familyOf(architecture).prefixes,
    microBatch: [
      { graph: forward, times: 1 },
      { graph: matching, times: runs(OBJECTS * images, matched) },
      { graph: maskLoss, times: runs(pairs) },
      { graph: classLoss, times: 1 },
      { graph: backward, times: 1 },
    ],
    elsewhere: (name) => weights.declarations.has(name) || name.startsWith(GRADIENT_PREFIX),
    evaluation: [],
    optim,
    images: batch,
    microBatchImages: images,
  });
}
