/** @file What a step of training would take: parameters, memory and time, from its graphs alone. */

import { sizeOf } from "../core/tensor-data.js";
import { MODEL_PARTS, type ModelPart, type PartPrefixes, partOf } from "../families/family.js";
import { bytesOf, costOf } from "../graph/cost.js";
import type { Graph } from "../graph/graph.js";
import type { Declaration } from "../nn/scope.js";
import { numbered } from "../onnx/emit.js";
import type { Runtime } from "../runtime/contract.js";
import { executionOrder, memoryPeak } from "../runtime/memory-plan.js";
import { probeMatMul } from "../runtime/probe.js";
import { type AdamWOptions, buildAccumulation, buildSquares, buildUpdate } from "../train/adamw.js";
import { laneTensors } from "../train/lane-buffers.js";
import type { ObjectiveWeights } from "../train/objective.js";

/** A step of training, not yet compiled. */
export interface PlannedStep {
  readonly weights: ObjectiveWeights;
  /** Every tensor of the online model, a frozen backbone's included. */
  readonly online: ReadonlyMap<string, Declaration>;
  /** Those that the target holds for itself. */
  readonly target: ReadonlyMap<string, Declaration>;
  readonly prefixes: PartPrefixes;
  /** Run for each micro-batch, so many times each. */
  readonly microBatch: readonly { readonly graph: Graph; readonly times: number }[];
  /** Names of inputs and outputs that are no buffers of a lane: weights and gradients. */
  readonly elsewhere: (name: string) => boolean;
  /** Run for each held-out image on monitored steps, on one core. */
  readonly evaluation: readonly Graph[];
  readonly optim: AdamWOptions;
  /** Images of a step, and of a micro-batch. */
  readonly images: number;
  readonly microBatchImages: number;
}

export interface PartCount {
  readonly part: string;
  /** Parameters of the online model. */
  readonly online: number;
  /** Those of them that training changes. */
  readonly learnable: number;
  /** Parameters that the target holds for itself: none of a frozen backbone, which both share. */
  readonly target: number;
  /** Statistics and frozen affine values of the online model, no parameters. */
  readonly buffers: number;
}

/** Speed of one core while the others work. */
export interface Machine {
  readonly cores: number;
  /** Floating-point operations a second, in matrix products. */
  readonly operations: number;
  /** Bytes read and written a second, in memory. */
  readonly bandwidth: number;
}

/** A program that a run compiles. */
interface ProgramCost {
  /** Seconds of one run on one core. */
  readonly seconds: (machine: Machine) => number;
  /** Bytes of intermediate tensors that one run holds at once. */
  readonly peak: number;
}

/** What the estimates are made from. */
export interface StepPlan {
  readonly counts: readonly PartCount[];
  /** Micro-batches of a step. */
  readonly microBatches: number;
  readonly images: number;
  /** Run for each micro-batch on one core, so many times each. */
  readonly microBatch: readonly (ProgramCost & { readonly times: number })[];
  /** Adds a micro-batch's gradients to those before it. */
  readonly accumulation: ProgramCost;
  /** Run once a step, divided among the cores. */
  readonly update: readonly ProgramCost[];
  readonly evaluation: readonly ProgramCost[];
  /** Bytes of the buffers of one lane. */
  readonly laneBytes: number;
}

const MIB = 2 ** 20;
/** Node, its libraries and the compiled graphs. */
const PROCESS_BYTES = 180 * MIB;
/** What the runtime's allocator holds for the bytes that a graph asks for: it grows in steps and leaves gaps. */
const ALLOCATED = 1.15;
/** Time to start a node; measured with tiny, most of whose nodes do next to nothing. */
const NODE_SECONDS = 5e-6;
/** Share of the nodes' traffic that reaches memory, as the rest stays in the caches; measured with r50 at 256x256. */
const UNCACHED = 0.75;

function programOf(graph: Graph): ProgramCost {
  const order = executionOrder(numbered(graph));
  const { products, traffic } = costOf(order);
  return {
    seconds: ({ operations, bandwidth }) =>
      products / operations + (UNCACHED * traffic) / bandwidth + NODE_SECONDS * order.length,
    peak: memoryPeak(order, graph.outputs.values()).bytes,
  };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

const TITLES: Readonly<Record<ModelPart, string>> = {
  backbone: "backbone",
  "pixel-decoder": "pixel decoder",
  "transformer-decoder": "transformer decoder",
};

/** Numbers of parameters by part of the model; what is of no part is Mask-JEPA's own. */
export function countParameters({ weights, online, target, prefixes }: PlannedStep): PartCount[] {
  const trained = new Set(weights.trained);
  const rows = MODEL_PARTS.map((part) => ({
    part: TITLES[part],
    owns: (name: string) => partOf(prefixes, name) === part,
  }));
  const rest = { part: "Mask-JEPA", owns: (name: string) => !rows.some(({ owns }) => owns(name)) };
  return [...rows, rest].map(({ part, owns }) => {
    const count = (all: ReadonlyMap<string, Declaration>, keep: (d: Declaration) => boolean) =>
      sum([...all.values()].filter((d) => owns(d.name) && keep(d)).map(({ shape }) => sizeOf(shape)));
    return {
      part,
      online: count(online, ({ kind }) => kind === "parameter"),
      learnable: count(online, ({ name }) => trained.has(name)),
      target: count(target, ({ kind }) => kind === "parameter"),
      buffers: count(online, ({ kind }) => kind === "buffer"),
    };
  });
}

/** Measures the graphs of a step, without the values of weights. */
export function planOf(step: PlannedStep): StepPlan {
  const { weights, microBatch, evaluation, elsewhere, optim, images, microBatchImages } = step;
  const updated = weights.trained.map((name) => {
    const { shape } = weights.declarations.get(name) as Declaration;
    return { name, shape, group: 0, averaged: weights.averaged.has(name) };
  });
  const lane = laneTensors(
    microBatch.map(({ graph }) => graph),
    elsewhere,
  );
  return {
    counts: countParameters(step).filter(({ online }) => online > 0),
    microBatches: images / microBatchImages,
    images,
    microBatch: microBatch.map(({ graph, times }) => ({ ...programOf(graph), times })),
    accumulation: programOf(buildAccumulation(updated)),
    update: [buildSquares(updated), buildUpdate(updated, 1, optim)].map(programOf),
    evaluation: evaluation.map(programOf),
    laneBytes: sum([...lane.values()].map(bytesOf)),
  };
}

/** Bytes in memory during a step, by what they hold. GPUs were not measured. */
export function estimateMemory(plan: StepPlan, cores: number): Map<string, number> {
  const { counts, microBatch, accumulation, update, evaluation, microBatches, laneBytes } = plan;
  const floats = (key: Exclude<keyof PartCount, "part">) => 4 * sum(counts.map((count) => count[key]));
  const lanes = Math.min(cores, microBatches);
  const summed = microBatches > lanes;
  const peaks = (programs: readonly ProgramCost[]) => sum(programs.map(({ peak }) => peak));
  const flight = ALLOCATED * (peaks(microBatch) + (microBatches > 1 ? accumulation.peak : 0)) + laneBytes;
  return new Map([
    ["weights, online and target", floats("online") + floats("buffers") + floats("target")],
    ["optimizer moments", 2 * floats("learnable")],
    [
      summed ? `gradients, ${lanes} in flight and their sum` : `gradients, ${lanes} in flight`,
      (summed ? lanes + 1 : lanes) * floats("learnable"),
    ],
    [`activations, ${lanes} in flight`, lanes * flight],
    ["update and evaluation", peaks(update) + peaks(evaluation)],
    ["process", PROCESS_BYTES],
  ]);
}

/** Seconds of a step without loading images and without evaluation. The first two take longer. */
export function estimateSeconds(plan: StepPlan, machine: Machine): number {
  const { microBatch, accumulation, update, microBatches: count } = plan;
  const rounds = Math.ceil(count / Math.min(machine.cores, count));
  const each = sum(microBatch.map((program) => program.times * program.seconds(machine)));
  const added = count > 1 ? accumulation.seconds(machine) : 0;
  const updated = sum(update.map((program) => program.seconds(machine)));
  return rounds * (each + added) + updated / machine.cores;
}

/** Times a matrix product and a copy, about a second. */
export async function measureMachine(runtime: Runtime): Promise<Machine> {
  const { concurrent } = await probeMatMul(runtime, 1024);
  const { cores } = runtime;
  return { cores, operations: (concurrent * 1e9) / cores, bandwidth: copyBandwidth() };
}

/** Bytes read and written a second by a copy that no cache holds, best of five. */
function copyBandwidth(): number {
  const source = new Float32Array(2 ** 24).fill(1);
  const copy = source.slice();
  const seconds = Array.from({ length: 5 }, () => {
    const start = performance.now();
    copy.set(source);
    return (performance.now() - start) / 1000;
  });
  return (2 * source.byteLength) / Math.min(...seconds);
}
