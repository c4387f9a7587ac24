/**
 * @file What a run would be: its settings, its parameters, and the memory and time of a step, without any image.
 *
 * The estimates are sums over the graphs that the run would compile (see `graph/cost.ts`).
 */

import { availableParallelism } from "node:os";
import { sizeOf, zeros } from "../core/tensor-data.js";
import { bytesOf, costOf, executionOrder, type GraphCost, memoryPeak } from "../graph/cost.js";
import type { Graph } from "../graph/graph.js";
import type { Declaration } from "../nn/scope.js";
import { numbered } from "../onnx/emit.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { probeMatMul } from "../runtime/probe.js";
import { buildAccumulation, buildSquares, buildUpdate } from "../train/adamw.js";
import { buildFrozenBackbone, buildGradients, buildTarget, stepShapes } from "./programs.js";
import type { PretrainSettings } from "./settings.js";
import { toYaml } from "./settings-resolution.js";
import { backboneDeclarations } from "./starting-weights.js";

/** Parts of the model by the beginning of their parameters' names. */
const PARTS = [
  ["backbone", "backbone."],
  ["pixel decoder", "sem_seg_head.pixel_decoder."],
  ["transformer decoder", "sem_seg_head.predictor."],
  ["Mask-JEPA", "mask_jepa."],
] as const;

export interface PartCount {
  part: string;
  /** Parameters of the online model. */
  online: number;
  /** Those of them that training changes. */
  learnable: number;
  /** Parameters that the target holds for itself: none of a frozen backbone, which both share. */
  target: number;
  /** Statistics and frozen affine values of the online model, no parameters. */
  buffers: number;
}

/** What the estimates are made from. */
export interface StepGraphs {
  counts: readonly PartCount[];
  /** Once for each micro-batch, on one core. */
  microBatch: readonly Graph[];
  /** Once for each micro-batch after the first, on one core. */
  accumulation: Graph;
  /** Once for each step, divided among the cores. */
  update: readonly Graph[];
}

type Declarations = ReadonlyMap<string, Declaration>;

function size(declarations: Iterable<Declaration>, keep: (declaration: Declaration) => boolean): number {
  let sum = 0;
  for (const declaration of declarations) if (keep(declaration)) sum += sizeOf(declaration.shape);
  return sum;
}

function countParts(online: Declarations, target: Declarations, trained: ReadonlySet<string>): PartCount[] {
  return PARTS.map(([part, prefix]) => {
    const count = (all: Declarations, keep: (d: Declaration) => boolean) =>
      size(all.values(), (d) => d.name.startsWith(prefix) && keep(d));
    return {
      part,
      online: count(online, ({ kind }) => kind === "parameter"),
      learnable: count(online, ({ name }) => trained.has(name)),
      target: count(target, ({ kind }) => kind === "parameter"),
      buffers: count(online, ({ kind }) => kind === "buffer"),
    };
  });
}

/** Builds the graphs of a step, without values and without compiling them. */
export function stepGraphs(settings: PretrainSettings): StepGraphs {
  const gradients = buildGradients(settings);
  const target = buildTarget(settings);
  const backbone = backboneDeclarations(settings);
  const online = new Map([...backbone, ...gradients.parameters.declarations]);
  const empty = () => new Map([...backbone].map(([name, { shape }]) => [name, zeros("float32", shape)]));
  const frozen = settings.backbone.frozen ? [buildFrozenBackbone(settings, empty())] : [];
  const updated = gradients.trained.map((name) => {
    const { shape } = online.get(name) as Declaration;
    return { name, shape, group: 0, averaged: target.parameters.tensors.has(name) };
  });
  return {
    counts: countParts(online, target.parameters.declarations, new Set(gradients.trained)),
    microBatch: [...frozen, target.graph, gradients.graph],
    accumulation: buildAccumulation(updated),
    update: [buildSquares(updated), buildUpdate(updated, 1, settings.optim)],
  };
}

/** Micro-batches at once. */
const lanesOf = ({ run }: PretrainSettings, cores: number) => Math.min(cores, run.batch / run.microBatch);

const orderOf = (graph: Graph) => executionOrder(numbered(graph));
const peakOf = (graph: Graph) => memoryPeak(orderOf(graph), graph.outputs.values()).bytes;

/** Bytes of a step by what they hold. */
export function estimateMemory(
  settings: PretrainSettings,
  { counts, microBatch, update }: StepGraphs,
  cores: number,
): Map<string, number> {
  const total = (key: "online" | "learnable" | "target" | "buffers") =>
    4 * counts.reduce((sum, count) => sum + count[key], 0);
  const lanes = lanesOf(settings, cores);
  const outside = microBatch.flatMap(({ inputs, outputs }) => [...inputs, ...outputs.values()]);
  return new Map([
    ["weights, online and target", total("online") + total("buffers") + total("target")],
    ["moments of the optimiser", 2 * total("learnable")],
    [`gradients, one for each micro-batch and their sum`, (lanes + 1) * total("learnable")],
    [`activations of ${lanes}`, lanes * microBatch.reduce((sum, graph) => sum + peakOf(graph), 0)],
    ["update", Math.max(...update.map(peakOf))],
  ]);
}
