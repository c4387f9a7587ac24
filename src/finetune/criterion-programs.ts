/** @file The graphs of Mask2Former's criterion: matching costs, mask losses and classification losses with their gradients. */

import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import { Graph } from "../graph/graph.js";
import { weightedCrossEntropy } from "../losses/class-loss.js";
import { diceLoss, sigmoidCrossEntropy } from "../losses/mask-loss.js";
import { type LossWeights, matchingCost } from "../losses/matching-cost.js";
import type { PointOptions } from "../losses/points.js";
import { toOnnx } from "../onnx/emit.js";
import type { Program, Runtime } from "../runtime/contract.js";

export interface CriterionOptions extends PointOptions {
  readonly weights: LossWeights;
  /** Weight of "no object" in the classification loss; every class has 1. */
  readonly noObject: number;
}

/** Sizes of one micro-batch. */
export interface CriterionShape {
  readonly images: number;
  readonly queries: number;
  readonly classes: number;
  /** Predictions that are supervised: one a decoder layer, and the one before them. */
  readonly outputs: number;
  /** Network input. */
  readonly size: readonly [height: number, width: number];
  /** Mask logits. */
  readonly maskSize: readonly [height: number, width: number];
}

/** Names of the tensors between the halves of a step. */
export const predictionNames = (output: number) => ({ logits: `logits.${output}`, masks: `masks.${output}` });
export const seedName = (prediction: string) => `seed.${prediction}`;

/** Pairs whose losses one run of the mask-loss program computes. */
export const PAIRS = 16;
/** Objects whose costs one run of the matching program computes. */
export const OBJECTS = 32;

function buildMatching(
  { images: n, queries: q, classes, maskSize }: CriterionShape,
  { points, weights }: CriterionOptions,
) {
  const graph = new Graph("matching");
  const inputs = {
    logits: graph.input("logits", "float32", [n, q, classes + 1]),
    masks: graph.input("masks", "float32", [n, q, ...maskSize]),
    points: graph.input("points", "float32", [n, points, 2]),
    objects: graph.input("objects", "float32", [n, points, OBJECTS]),
    classes: graph.input("classes", "float32", [n, classes + 1, OBJECTS]),
  };
  graph.output("cost", matchingCost(inputs, weights));
  return graph;
}

/** Losses of up to PAIRS pairs and their gradients: logits, labels [PAIRS, P], scale = 1 / masks -> bce, dice [PAIRS], gradient. */
function buildMaskLoss({ points, weights }: CriterionOptions): Graph {
  const graph = new Graph("mask loss");
  const logits = graph.input("logits", "float32", [PAIRS, points]);
  const labels = graph.input("labels", "float32", [PAIRS, points]);
  const scale = graph.input("scale", "float32", []);
  const bce = sigmoidCrossEntropy(logits, labels);
  const dice = diceLoss(logits, labels);
  const total = g.reduceSum(g.add(g.mul(bce, weights.mask), g.mul(dice, weights.dice)));
  const [gradient] = gradients(g.mul(total, scale), [logits]);
  graph.output("bce", bce);
  graph.output("dice", dice);
  graph.output("gradient", gradient);
  return graph;
}

/** Classification losses of all outputs and the gradients of their weighted sum. */
function buildClassLoss({ images, queries, classes, outputs }: CriterionShape, { weights }: CriterionOptions): Graph {
  const graph = new Graph("class loss");
  const shape = [images, queries, classes + 1];
  const numbers = Array.from({ length: outputs }, (_, i) => i);
  const logits = numbers.map((i) => graph.input(predictionNames(i).logits, "float32", shape));
  const losses = numbers.map((i) => weightedCrossEntropy(logits[i], graph.input(`weights.${i}`, "float32", shape)));
  const total = g.mul(
    losses.reduce((a, b) => g.add(a, b)),
    weights.class,
  );
  gradients(total, logits).forEach((gradient, i) => {
    graph.output(seedName(predictionNames(i).logits), gradient);
  });
  graph.output(
    "losses",
    g.concat(
      losses.map((loss) => g.reshape(loss, [1])),
      0,
    ),
  );
  return graph;
}

export interface CriterionPrograms {
  readonly matching: Program;
  readonly maskLoss: Program;
  readonly classLoss: Program;
}

export async function compileCriterion(
  runtime: Runtime,
  shape: CriterionShape,
  options: CriterionOptions,
): Promise<CriterionPrograms> {
  const compile = (graph: Graph) => runtime.compile(toOnnx(graph), { name: graph.name });
  return {
    matching: await compile(buildMatching(shape, options)),
    maskLoss: await compile(buildMaskLoss(options)),
    classLoss: await compile(buildClassLoss(shape, options)),
  };
}
