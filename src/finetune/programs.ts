/**
 * @file The two halves of a fine-tuning step as graphs: images -> predictions, and their gradients -> those of the
 * weights.
 */

import type { Grid } from "../core/tensor-data.js";
import { KEEP, withDropPath } from "../families/drop-path.js";
import { type Architecture, familyOf } from "../families/families.js";
import { answerOf, type ModelPart, type OwnLoss, type PredictionGroup, partOf, segment } from "../families/family.js";
import type { OwnInput } from "../families/training.js";
import * as g from "../graph/build.js";
import { vectorJacobian } from "../graph/differentiate.js";
import { ancestors, Graph, type Tensor } from "../graph/graph.js";
import { type Halves, splitAtGradients } from "../graph/split.js";
import { asInputs, Parameters } from "../nn/scope.js";
import type { ObjectiveWeights } from "../train/objective.js";

export const GRADIENT_PREFIX = "gradient.";
/** Output of the forward half with all batch statistics, concatenated in the order of `ObjectiveWeights.observed`. */
export const STATISTICS = "batch-statistics";
/** Input: normalised images [N,3,H,W]. */
export const IMAGES = "images";

/** Names of the tensors of one prediction between the halves: outputs of the first, and inputs of the second. */
export interface PredictionNames extends Pick<PredictionGroup, "objects"> {
  /** Name of its group. */
  readonly group: string;
  readonly queries: number;
  /**
   * What follows the names of its losses: "" for the answer, "_0" for the first prediction of the group without a name.
   */
  readonly suffix: string;
  readonly logits: string;
  readonly masks: string;
  readonly logitsGradient: string;
  readonly masksGradient: string;
}

/**
 * A loss of the family's own between the halves: its value is an output of the first, its weight an input of the
 * second.
 */
export interface LossNames extends Pick<OwnLoss, "name" | "weight"> {
  readonly value: string;
  readonly gradient: string;
}

export interface TrainingGraphs extends Halves {
  readonly weights: ObjectiveWeights;
  readonly outputs: readonly PredictionNames[];
  readonly losses: readonly LossNames[];
  readonly maskSize: Grid;
}

function namesOf({ name: group, objects, predictions }: PredictionGroup): PredictionNames[] {
  return predictions.map(({ logits }, i) => {
    const number = i === predictions.length - 1 ? "" : String(i);
    const suffix = [group, number].map((part) => (part === "" ? "" : `_${part}`)).join("");
    return {
      group,
      objects,
      queries: logits.shape[1],
      suffix,
      logits: `logits${suffix}`,
      masks: `masks${suffix}`,
      logitsGradient: `gradient of logits${suffix}`,
      masksGradient: `gradient of masks${suffix}`,
    };
  });
}

/**
 * The graphs of a micro-batch of `images` images of `size`; weights' gradients are outputs GRADIENT_PREFIX + name, but
 * for those of `frozen` parts, which have none.
 */
export function buildTraining(
  model: Architecture,
  images: number,
  size: Grid,
  frozen: readonly ModelPart[] = [],
): TrainingGraphs {
  const graph = new Graph("finetune");
  const parameters = new Parameters(asInputs(graph));
  const input = graph.input(IMAGES, "float32", [images, 3, ...size]);
  const family = familyOf(model);
  const asked = family.training?.inputs(model, { images, size }) ?? new Map<string, OwnInput>();
  const own = new Map([...asked].map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]));
  const decoded = segment(family, parameters.root, input, withDropPath(graph, model, images), own);
  const { groups, losses = [] } = decoded;
  const names = groups.flatMap(namesOf);
  const predictions = groups.flatMap((group) => group.predictions);
  const outputs: Tensor[] = [];
  const seeds: Tensor[] = [];
  const supervise = (tensor: Tensor, name: string, gradient: string) => {
    graph.output(name, tensor);
    outputs.push(tensor);
    seeds.push(graph.input(gradient, "float32", tensor.shape));
  };
  predictions.forEach(({ logits, masks }, i) => {
    supervise(logits, names[i].logits, names[i].logitsGradient);
    supervise(masks, names[i].masks, names[i].masksGradient);
  });
  const [, , maskHeight, maskWidth] = answerOf(decoded).masks.shape;
  const ownLosses = losses.map(({ name, weight, value }): LossNames => {
    const between = { value: `value of ${name}`, gradient: `gradient of ${name}` };
    supervise(value, between.value, between.gradient);
    return { name, weight, ...between };
  });
  const active = ancestors(outputs);
  const tensorOf = (name: string) => parameters.tensors.get(name) as Tensor;
  const isFrozen = (name: string) => frozen.some((part) => partOf(family.prefixes, name) === part);
  const trained = parameters.trainable.filter((name) => active.has(tensorOf(name)) && !isFrozen(name));
  vectorJacobian(outputs, seeds, trained.map(tensorOf)).forEach((gradient, i) => {
    graph.output(GRADIENT_PREFIX + trained[i], gradient);
  });
  const observed = [...parameters.observed].map(([name, t]) => ({ name, size: t.shape[0] }));
  if (observed.length > 0) graph.output(STATISTICS, g.concat([...parameters.observed.values()], 0));
  return {
    ...splitAtGradients(graph, new Set([IMAGES, KEEP, ...own.keys()])),
    weights: {
      declarations: parameters.declarations,
      trained,
      averaged: new Set(),
      observed,
    },
    outputs: names,
    losses: ownLosses,
    maskSize: [maskHeight, maskWidth],
  };
}
