/** @file What a run would be: its settings, its parameters, and the memory and time of a step. Needs no image. */

import { availableParallelism } from "node:os";
import { sizeOf, zeros } from "../core/tensor-data.js";
import { costOf, executionOrder, memoryPeak } from "../graph/cost.js";
import type { Graph } from "../graph/graph.js";
import type { Declaration } from "../nn/scope.js";
import { numbered } from "../onnx/emit.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { probeMatMul } from "../runtime/probe.js";
import { buildAccumulation, buildSquares, buildUpdate } from "../train/adamw.js";
import {
  buildEvaluation,
  buildFrozenBackbone,
  buildGradients,
  buildTarget,
  type GradientGraph,
  stepShapes,
} from "./programs.js";
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

/** A graph that the run compiles. */
interface Program {
  /** Seconds of one run on one core. */
  seconds: (machine: Machine) => number;
  /** Bytes of intermediate tensors that one run holds at once. */
  peak: number;
}

/** What the estimates are made from. */
export interface StepPlan {
  counts: readonly PartCount[];
  /** Run for each micro-batch on one core, the last one for each but the first. */
  microBatch: readonly Program[];
  /** Run once a step, divided among the cores. */
  update: readonly Program[];
  /** Run for each held-out image on monitored steps, on one core. */
  evaluation: readonly Program[];
}

/** Speed of one core while the others work. */
export interface Machine {
  cores: number;
  /** Floating-point operations a second, in matrix products. */
  operations: number;
  /** Bytes read and written a second, in memory. */
  bandwidth: number;
}

const MIB = 2 ** 20;
/** Node, its libraries and the compiled graphs; beside it one copy of the weights stays behind from the start. */
const PROCESS_BYTES = 180 * MIB;
/** What the runtime's allocator holds for the bytes that a graph asks for: it grows in steps and leaves gaps. */
const ALLOCATED = 1.15;
/** Time to start a node; measured with tiny, most of whose nodes do next to nothing. */
const NODE_SECONDS = 5e-6;
/** Share of the nodes' traffic that reaches memory, as the rest stays in the caches; measured with r50 at 256x256. */
const UNCACHED = 0.75;

function programOf(graph: Graph): Program {
  const order = executionOrder(numbered(graph));
  const { products, traffic } = costOf(order);
  return {
    seconds: ({ operations, bandwidth }) =>
      products / operations + (UNCACHED * traffic) / bandwidth + NODE_SECONDS * order.length,
    peak: memoryPeak(order, graph.outputs.values()).bytes,
  };
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

type Declarations = ReadonlyMap<string, Declaration>;

/** Every tensor of the online model. */
function onlineDeclarations(settings: PretrainSettings, { parameters }: GradientGraph): Declarations {
  return new Map([...backboneDeclarations(settings), ...parameters.declarations]);
}

/** Numbers of parameters by part of the model. */
export function countParameters(
  settings: PretrainSettings,
  gradients = buildGradients(settings),
  target = buildTarget(settings),
): PartCount[] {
  const online = onlineDeclarations(settings, gradients);
  const trained = new Set(gradients.trained);
  return PARTS.map(([part, prefix]) => {
    const count = (all: Declarations, keep: (d: Declaration) => boolean) =>
      sum([...all.values()].filter((d) => d.name.startsWith(prefix) && keep(d)).map(({ shape }) => sizeOf(shape)));
    return {
      part,
      online: count(online, ({ kind }) => kind === "parameter"),
      learnable: count(online, ({ name }) => trained.has(name)),
      target: count(target.parameters.declarations, ({ kind }) => kind === "parameter"),
      buffers: count(online, ({ kind }) => kind === "buffer"),
    };
  });
}

/** Builds the graphs of a run, without the values of weights, and measures them. */
export function planStep(settings: PretrainSettings): StepPlan {
  const gradients = buildGradients(settings);
  const target = buildTarget(settings);
  const online = onlineDeclarations(settings, gradients);
  const empty = () => new Map([...online].map(([name, { shape }]) => [name, zeros("float32", shape)]));
  const frozen = (own: PretrainSettings) => (own.backbone.frozen ? [buildFrozenBackbone(own, empty())] : []);
  const updated = gradients.trained.map((name) => {
    const { shape } = online.get(name) as Declaration;
    return { name, shape, group: 0, averaged: target.parameters.tensors.has(name) };
  });
  const single = { ...settings, run: { ...settings.run, microBatch: 1, recompute: [] } };
  const evaluation =
    settings.data.heldOut > 0 ? [...frozen(single), buildTarget(single).graph, buildEvaluation(single)] : [];
  return {
    counts: countParameters(settings, gradients, target),
    microBatch: [...frozen(settings), target.graph, gradients.graph, buildAccumulation(updated)].map(programOf),
    update: [buildSquares(updated), buildUpdate(updated, 1, settings.optim)].map(programOf),
    evaluation: evaluation.map(programOf),
  };
}

const microBatches = ({ run }: PretrainSettings) => run.batch / run.microBatch;

/** Bytes of the buffers of one micro-batch beside its activations and gradients. */
function laneBytes(settings: PretrainSettings): number {
  const { pyramid, masked, keep, ...floats } = stepShapes(settings);
  const maps = settings.backbone.frozen ? [...pyramid, ...pyramid] : [];
  const factors = keep ? [keep] : [];
  return 4 * sum([...Object.values(floats), ...maps, ...factors].map(sizeOf)) + 8 * sizeOf(masked);
}

/**
 * Bytes in memory during a step, by what they hold. Real steps, without graph optimisation in the runtime, had a highest
 * resident memory of 0.88 (tiny, 1 core), 0.91 (tiny, 2), 0.99 (r50 at 256x256, 1), 0.96 (2), 1.03 (r50 at 512x512, 1)
 * and 0.99 (2) times the estimate. A frozen backbone and GPUs were not measured.
 */
export function estimateMemory(settings: PretrainSettings, plan: StepPlan, cores: number): Map<string, number> {
  const { counts, microBatch, update, evaluation } = plan;
  const floats = (key: Exclude<keyof PartCount, "part">) => 4 * sum(counts.map((count) => count[key]));
  const lanes = Math.min(cores, microBatches(settings));
  const peaks = (programs: readonly Program[]) => sum(programs.map(({ peak }) => peak));
  return new Map([
    ["weights, online and target", floats("online") + floats("buffers") + floats("target")],
    ["optimizer moments", 2 * floats("learnable")],
    [`gradients, ${lanes} in flight and their sum`, (lanes + 1) * floats("learnable")],
    [`activations, ${lanes} in flight`, lanes * (ALLOCATED * peaks(microBatch) + laneBytes(settings))],
    ["update and evaluation", peaks(update) + peaks(evaluation)],
    ["process", PROCESS_BYTES + floats("online")],
  ]);
}

/**
 * Seconds of a step without loading images and without evaluation. On 2 busy cores real steps of tiny and r50 at 256x256
 * took 0.8 to 1.3 times as long; the first two take longer.
 */
export function estimateSeconds(
  settings: PretrainSettings,
  { microBatch, update }: StepPlan,
  machine: Machine,
): number {
  const count = microBatches(settings);
  const rounds = Math.ceil(count / Math.min(machine.cores, count));
  const seconds = (programs: readonly Program[]) => sum(programs.map((program) => program.seconds(machine)));
  return rounds * seconds(microBatch) + seconds(update) / machine.cores;
}

/** Times a matrix product and a copy, about a second. */
async function measureMachine({ run }: PretrainSettings): Promise<Machine> {
  const runtime = await createRuntime({ device: run.device, cores: run.cores || availableParallelism() });
  const { concurrent } = await probeMatMul(runtime, 1024);
  const { cores } = runtime;
  runtime.dispose();
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

const duration = (seconds: number) => `${seconds.toFixed(seconds < 10 ? 2 : 0)} s`;
const bytes = (n: number) => (n >= 2 ** 30 ? `${(n / 2 ** 30).toFixed(2)} GiB` : `${(n / MIB).toFixed(1)} MiB`);

/** Rows of cells under each other: the first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((row) => row[i].length)));
  return rows
    .map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("   "))
    .join("\n");
}

function parameterTable(counts: readonly PartCount[]): string {
  const columns = ["online", "learnable", "target", "buffers"] as const;
  const total = (column: (typeof columns)[number]) => sum(counts.map((count) => count[column]));
  const row = (name: string, value: (column: (typeof columns)[number]) => number) => [
    name,
    ...columns.map((column) => value(column).toLocaleString("en-US")),
  ];
  return table([
    ["Parameters", ...columns],
    ...counts.map((count) => row(`  ${count.part}`, (column) => count[column])),
    row("  total", total),
  ]);
}

function memoryTable(memory: ReadonlyMap<string, number>): string {
  const rows = [...memory].map(([what, size]) => [`  ${what}`, bytes(size)]);
  return table([["Memory of a step, estimated", ""], ...rows, ["  total", bytes(sum([...memory.values()]))]]);
}

function timeText(settings: PretrainSettings, plan: StepPlan, machine: Machine): string {
  const seconds = estimateSeconds(settings, plan, machine);
  const { batch } = settings.run;
  const speed = `${(machine.operations / 1e9).toFixed(0)} GFLOP/s and ${(machine.bandwidth / 1e9).toFixed(1)} GB/s on ${machine.cores === 1 ? "one core" : `each of ${machine.cores} cores`}`;
  return table([
    ["Time of a step, estimated", ""],
    [`  ${batch} images`, duration(seconds)],
    ["  an image", duration(seconds / batch)],
  ]).concat(`\n  from ${speed}, measured just now`);
}

/** Prints the resolved settings, the parameters by part, and the estimated memory and time of a step. */
export async function printDryRun(settings: PretrainSettings, print: (text: string) => void): Promise<void> {
  const plan = planStep(settings);
  print(toYaml(settings));
  print(`${parameterTable(plan.counts)}\n`);
  const cores = settings.run.device === "cpu" ? settings.run.cores || availableParallelism() : 1;
  print(`${memoryTable(estimateMemory(settings, plan, cores))}\n`);
  if (settings.run.device !== "cpu") print(`The time of a step on ${settings.run.device} is not estimated.`);
  else print(timeText(settings, plan, await measureMachine(settings)));
}
