/** @file AdamW (Loshchilov and Hutter 2019) with PyTorch's defaults, and the EMA of its result, as graphs. */

import { floats } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { Graph, type Tensor } from "../graph/graph.js";

export interface AdamWOptions {
  betas: readonly [number, number];
  eps: number;
}

/** Numbers of one update that a graph takes as scalar inputs. */
export interface UpdateScalars {
  /** What the summed gradient is multiplied with: 1 / micro-batches, times the clipping coefficient. */
  gradientScale: number;
  /** lr * sqrt(1 - beta2^t) / (1 - beta1^t) for each group of parameters. */
  stepSizes: readonly number[];
  /** 1 - lr * weight decay for each group. */
  decays: readonly number[];
  /** eps * sqrt(1 - beta2^t). */
  epsilon: number;
  /** tau of the EMA. */
  tau: number;
}

export interface ParameterGroup {
  learningRate: number;
  weightDecay: number;
}

/** Scalars of update number `t` (from 1). */
export function updateScalars(
  { betas: [beta1, beta2], eps }: AdamWOptions,
  t: number,
  groups: readonly ParameterGroup[],
  { gradientScale, tau }: Pick<UpdateScalars, "gradientScale" | "tau">,
): UpdateScalars {
  const root = Math.sqrt(1 - beta2 ** t);
  return {
    gradientScale,
    stepSizes: groups.map(({ learningRate }) => (learningRate * root) / (1 - beta1 ** t)),
    decays: groups.map(({ learningRate, weightDecay }) => 1 - learningRate * weightDecay),
    epsilon: eps * root,
    tau,
  };
}

/** Names of the scalar inputs of an update. */
export const scalarNames = (groups: number) => [
  "gradient-scale",
  "squared-gradient-scale",
  "epsilon",
  "tau",
  "one-minus-tau",
  ...Array.from({ length: groups }, (_, i) => [`step-size.${i}`, `decay.${i}`]).flat(),
];

/** Value of each scalar input. */
export function scalarInputs(scalars: UpdateScalars, { betas }: AdamWOptions): Map<string, number> {
  const { gradientScale, stepSizes, decays, epsilon, tau } = scalars;
  const perGroup = stepSizes.flatMap((size, i) => [size, decays[i]]);
  const values = [
    gradientScale * (1 - betas[0]),
    gradientScale * Math.sqrt(1 - betas[1]),
    epsilon,
    tau,
    1 - tau,
    ...perGroup,
  ];
  return new Map(scalarNames(stepSizes.length).map((name, i) => [name, values[i]]));
}

export interface UpdatedTensor {
  name: string;
  shape: readonly number[];
  /** Index of its parameter group. */
  group: number;
  /** Whether the target holds an EMA of it. */
  averaged: boolean;
}

/** Inputs and outputs of an update are named by one of these and the parameter: "weight.backbone.stem...". */
export const UPDATE_ROLES = ["weight", "mean", "square", "gradient", "average"] as const;
export type UpdateRole = (typeof UPDATE_ROLES)[number];
export const roleName = (role: UpdateRole, parameter: string) => `${role}.${parameter}`;
/** Name of the output that replaces an input: ONNX keeps the two apart. */
export const nextName = (role: UpdateRole, parameter: string) => `next.${roleName(role, parameter)}`;

/**
 * One update of some parameters; each output replaces the input of its role:
 *   m <- beta1 m + (1 - beta1) g;  v <- beta2 v + (1 - beta2) g^2
 *   w <- decay w - step m / (sqrt(v) + epsilon);  average <- tau average + (1 - tau) w
 */
export function buildUpdate(parameters: readonly UpdatedTensor[], groups: number, { betas }: AdamWOptions): Graph {
  const graph = new Graph("update");
  const scalars = new Map(scalarNames(groups).map((name) => [name, graph.input(name, "float32", [])]));
  const scalar = (name: string) => scalars.get(name) as Tensor;
  for (const { name, shape, group, averaged } of parameters) {
    const input = (role: UpdateRole) => graph.input(roleName(role, name), "float32", shape);
    const output = (role: UpdateRole, value: Tensor) => graph.output(nextName(role, name), value);
    const gradient = input("gradient");
    const mean = g.add(g.mul(input("mean"), betas[0]), g.mul(gradient, scalar("gradient-scale")));
    const scaled = g.mul(gradient, scalar("squared-gradient-scale"));
    const square = g.add(g.mul(input("square"), betas[1]), g.mul(scaled, scaled));
    const direction = g.div(mean, g.add(g.sqrt(square), scalar("epsilon")));
    const decayed = g.mul(input("weight"), scalar(`decay.${group}`));
    const weight = g.sub(decayed, g.mul(direction, scalar(`step-size.${group}`)));
    output("mean", mean);
    output("square", square);
    output("weight", weight);
    if (averaged) {
      output("average", g.add(g.mul(input("average"), scalar("tau")), g.mul(weight, scalar("one-minus-tau"))));
    }
  }
  return graph;
}

/** Sum of squares of each gradient, concatenated: output "squares" [parameters]. */
export function buildSquares(parameters: readonly UpdatedTensor[]): Graph {
  const graph = new Graph("gradient squares");
  const sums = parameters.map(({ name, shape }) => {
    const gradient = graph.input(roleName("gradient", name), "float32", shape);
    return g.reshape(g.reduceSum(g.mul(gradient, gradient)), [1]);
  });
  graph.output("squares", g.concat(sums, 0));
  return graph;
}

/** sum <- sum + addend for each gradient; inputs "gradient.*" (the sum, replaced) and "addend.*". */
export function buildAccumulation(parameters: readonly UpdatedTensor[]): Graph {
  const graph = new Graph("gradient accumulation");
  for (const { name, shape } of parameters) {
    const sum = graph.input(roleName("gradient", name), "float32", shape);
    const addend = graph.input(`addend.${name}`, "float32", shape);
    graph.output(nextName("gradient", name), g.add(sum, addend));
  }
  return graph;
}

/** A rank-0 tensor. */
export const scalarData = (value: number) => floats([], [value]);
