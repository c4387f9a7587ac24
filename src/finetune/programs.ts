/** @file The two halves of a fine-tuning step as graphs: images -> predictions, and their gradients -> those of the weights. */

import * as g from "../graph/build.js";
import { vectorJacobian } from "../graph/differentiate.js";
import { ancestors, Graph, type Tensor } from "../graph/graph.js";
import { type Halves, splitAtGradients } from "../graph/split.js";
import { keepShape } from "../models/backbone.js";
import { type Mask2FormerOptions, mask2former } from "../models/mask2former.js";
import { asInputs, Parameters } from "../nn/scope.js";
import type { Observed } from "../train/learner.js";
import { predictionNames, seedName } from "./criterion-programs.js";

export const GRADIENT_PREFIX = "gradient.";
/** Output of the forward half with all batch statistics, concatenated in the order of `TrainingGraphs.observed`. */
export const STATISTICS = "batch-statistics";
/** Input: normalised images [N,3,H,W]. */
export const IMAGES = "images";
/** Input: factors of drop path, where the backbone has it. */
export const KEEP = "keep";

export interface TrainingGraphs extends Halves {
  readonly parameters: Parameters;
  /** Names of the parameters that get a gradient: output GRADIENT_PREFIX + name of the backward half. */
  readonly trained: readonly string[];
  readonly observed: readonly Observed[];
}

/** The graphs of a micro-batch of `images` images of `size`. */
export function buildTraining(
  options: Mask2FormerOptions,
  images: number,
  [height, width]: readonly [number, number],
): TrainingGraphs {
  const graph = new Graph("finetune");
  const parameters = new Parameters(asInputs(graph));
  const input = graph.input(IMAGES, "float32", [images, 3, height, width]);
  const shape = keepShape(options.backbone, images);
  const keep = shape && graph.input(KEEP, "float32", shape);
  const backbone = options.backbone.kind === "swin" ? { ...options.backbone, keep } : options.backbone;
  const predictions = mask2former(parameters.root, input, { ...options, backbone });
  const outputs: Tensor[] = [];
  const seeds: Tensor[] = [];
  predictions.forEach(({ logits, masks }, i) => {
    const names = predictionNames(i);
    for (const [name, tensor] of [
      [names.logits, logits],
      [names.masks, masks],
    ] as const) {
      graph.output(name, tensor);
      outputs.push(tensor);
      seeds.push(graph.input(seedName(name), "float32", tensor.shape));
    }
  });
  const active = ancestors(outputs);
  const tensorOf = (name: string) => parameters.tensors.get(name) as Tensor;
  const trained = parameters.trainable.filter((name) => active.has(tensorOf(name)));
  vectorJacobian(outputs, seeds, trained.map(tensorOf)).forEach((gradient, i) => {
    graph.output(GRADIENT_PREFIX + trained[i], gradient);
  });
  const observed = [...parameters.observed].map(([name, t]) => ({ name, size: t.shape[0] }));
  if (observed.length > 0) graph.output(STATISTICS, g.concat([...parameters.observed.values()], 0));
  return { ...splitAtGradients(graph, new Set([IMAGES, KEEP])), parameters, trained, observed };
}
