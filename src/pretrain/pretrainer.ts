/** @file The training step of Mask-JEPA over a batch: target, context, predict, loss (in micro-batches), then update. */

import { InputError } from "../core/errors.js";
import type { TensorData } from "../core/tensor-data.js";
import type { Graph } from "../graph/graph.js";
import type { Declaration } from "../nn/scope.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import type { ParameterGroup, UpdatedTensor } from "../train/adamw.js";
import { Optimizer, type OptimizerState } from "../train/optimizer.js";
import { type ParameterValues, parameterLayout, type TensorMap } from "../train/parameter-layout.js";
import { learningRateFactor, linearRamp } from "../train/schedule.js";
import { compileGraph, Lane, type MicroBatchReport, type StepPrograms, type StepWeights } from "./lane.js";
import { type CollapseMonitors, collapseMonitors } from "./monitors.js";
import { buildFrozenBackbone, buildGradients, buildTarget, STATISTICS } from "./programs.js";
import type { PretrainSettings } from "./settings.js";
import { startingWeights } from "./starting-weights.js";

/** Everything that a resumed run needs, by checkpoint part. */
export interface PretrainState {
  model: Map<string, TensorData>;
  target: Map<string, TensorData>;
  optimizer: Map<string, TensorData>;
}

export interface StepReport {
  losses: Record<string, number>;
  /** Norm of the whole gradient before clipping. */
  gradientNorm: number;
  learningRate: number;
  tau: number;
  /** Mean cosine of online and target features. */
  cosine: number;
  /** On monitored steps. */
  monitors?: CollapseMonitors & { explainedVariance?: number };
}

/** A loss or gradient that is NaN or infinite: nothing was updated. */
export class NonFiniteError extends Error {
  override readonly name = "NonFiniteError";
  constructor(
    readonly step: number,
    readonly what: string,
  ) {
    super(`step ${step}: ${what}`);
  }
}

const MOMENTS = ["target-mean", "target-gram"];
const LOSSES = ["loss", "reconstruction", "denoising"];
/** Momentum of the running batch statistics, as in PyTorch. */
const MOMENTUM = 0.1;
const isBackbone = (name: string) => name.startsWith("backbone.");

/** What a pretrainer is put together from. */
interface Parts {
  settings: PretrainSettings;
  /** Length of the whole run. */
  steps: number;
  groups: readonly (ParameterGroup & { factor: number })[];
  optimizer: Optimizer;
  lanes: readonly Lane[];
  programs: StepPrograms;
  /** What training changes; `weights` holds the same tensors and those that stay. */
  trained: OptimizerState;
  weights: StepWeights;
  /** Names of the outputs that a micro-batch reports. */
  reports: readonly string[];
  /** Batch statistics in the order in which STATISTICS concatenates them. */
  observed: readonly { name: string; size: number }[];
}

export class Pretrainer {
  private constructor(
    private readonly parts: Parts,
    /** Sum of the gradients of a step's micro-batches. */
    private sum: ParameterValues,
  ) {}

  /**
   * Builds and compiles the programs, and starts from `state` or, without one, from the seed (and backbone weights).
   * `steps`: length of the whole run, which the schedules need.
   */
  static async create(
    runtime: Runtime,
    settings: PretrainSettings,
    steps: number,
    state?: PretrainState,
  ): Promise<Pretrainer> {
    const { backbone, optim } = settings;
    const online = buildGradients(settings);
    const target = buildTarget(settings);
    const initial = state ?? (await startingState(settings, online.parameters.declarations, target.parameters));
    const groups = [optim.weightDecay, 0].flatMap((weightDecay) =>
      [1, optim.backboneLrFactor].map((factor) => ({ factor, weightDecay, learningRate: optim.lr * factor })),
    );
    const parameters = online.trained.map((name): UpdatedTensor => {
      const { shape, decay } = online.parameters.declarations.get(name) as Declaration;
      const group = (decay ? 0 : 2) + (isBackbone(name) ? 1 : 0);
      return { name, shape, group, averaged: target.parameters.tensors.has(name) };
    });
    const compile = (graph: Graph, frozenWeights = false) => compileGraph(runtime, graph, frozenWeights);
    const programs: StepPrograms = {
      backbone: backbone.frozen ? await compile(buildFrozenBackbone(settings, initial.model), true) : undefined,
      target: await compile(target.graph),
      gradients: await compile(online.graph),
    };
    const layout = parameterLayout(runtime, parameters);
    const trained: OptimizerState = {
      weights: layout.allocate(),
      means: layout.allocate(),
      squares: layout.allocate(),
      averages: layout.allocate({ averaged: true }),
    };
    await fill(trained.means.tensors, initial.optimizer, "exp_avg.");
    await fill(trained.squares.tensors, initial.optimizer, "exp_avg_sq.");
    const weights = {
      online: await completed(runtime, trained.weights.tensors, initial.model),
      target: await completed(runtime, trained.averages.tensors, initial.target),
    };
    const statistics = online.observed.reduce((n, { size }) => n + size, 0);
    const reportShapes = new Map<string, readonly number[]>(
      online.reports.map((name) => [name, online.graph.outputs.get(name)?.shape ?? []]),
    );
    if (statistics > 0) reportShapes.set(STATISTICS, [statistics]);
    const laneCount = Math.min(runtime.cores, settings.run.batch / settings.run.microBatch);
    const lanes = Array.from(
      { length: laneCount },
      () => new Lane(runtime, settings, programs, layout.allocate(), reportShapes),
    );
    const optimizer = await Optimizer.create(runtime, layout, groups.length, optim);
    const reports = [...reportShapes.keys()];
    const { observed } = online;
    const parts = { settings, steps, groups, optimizer, lanes, programs, trained, weights, reports, observed };
    return new Pretrainer(parts, layout.allocate());
  }

  /**
   * One optimiser step over images [batch, 3, H, W]; `step` from 0. The result does not depend on the number of lanes:
   * gradients are summed in the order of the micro-batches. Throws NonFiniteError, with nothing updated.
   */
  async step(step: number, images: Float32Array, monitored: boolean): Promise<StepReport> {
    const { optim, pretrain, run } = this.parts.settings;
    const count = run.batch / run.microBatch;
    const wanted = this.parts.reports.filter((name) => monitored || !MOMENTS.includes(name));
    const reports = await this.microBatches(step, images, count, wanted);
    const mean = (name: string): Float32Array | undefined => averaged(reports.map((report) => report.get(name)));
    const losses: Record<string, number> = {};
    for (const name of LOSSES) {
      const value = mean(name);
      if (value) losses[name] = value[0];
    }
    const gradientNorm = await this.parts.optimizer.gradientNorm(this.sum, count);
    for (const [what, value] of [...Object.entries(losses), ["gradient norm", gradientNorm] as const]) {
      if (!Number.isFinite(value)) throw new NonFiniteError(step + 1, `the ${what} is ${value}`);
    }
    const factor = learningRateFactor({ ...optim, kind: optim.schedule }, step, this.parts.steps);
    const tau = linearRamp(pretrain.emaStart, pretrain.emaEnd, step, this.parts.steps);
    const groups = this.parts.groups.map((group) => ({ ...group, learningRate: group.learningRate * factor }));
    const numbers = { t: step + 1, groups, microBatches: count, clip: optim.clip, tau };
    await this.parts.optimizer.update(this.parts.trained, this.sum, gradientNorm, numbers);
    const statistics = mean(STATISTICS);
    if (statistics) await this.followStatistics(statistics);
    const report: StepReport = {
      losses,
      gradientNorm,
      learningRate: optim.lr * factor,
      tau,
      cosine: mean("cosine")?.[0] ?? Number.NaN,
    };
    if (monitored) {
      const [targetMean, gram] = MOMENTS.map((name) => mean(name) as Float32Array);
      const monitors = collapseMonitors({ mean: targetMean, gram });
      const explainedVariance =
        losses.reconstruction === undefined ? undefined : 1 - losses.reconstruction / monitors.meanError;
      report.monitors = { ...monitors, explainedVariance };
    }
    return report;
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  async state(): Promise<PretrainState> {
    const download = async (tensors: TensorMap, prefix = "") => {
      const entries = [...tensors].map(async ([name, t]) => [prefix + name, await snapshot(t)] as const);
      return new Map<string, TensorData>(await Promise.all(entries));
    };
    const { means, squares } = this.parts.trained;
    const moments = [await download(means.tensors, "exp_avg."), await download(squares.tensors, "exp_avg_sq.")];
    return {
      model: await download(this.parts.weights.online),
      target: await download(this.parts.weights.target),
      optimizer: new Map(moments.flatMap((m) => [...m])),
    };
  }

  /** The weights as they are now, for evaluation between steps. */
  get stepWeights(): StepWeights {
    return this.parts.weights;
  }

  dispose(): void {
    for (const lane of this.parts.lanes) lane.dispose();
    const { weights, averages } = this.parts.trained;
    const { online, target } = this.parts.weights;
    for (const [all, own] of [
      [online, weights],
      [target, averages],
    ] as const) {
      for (const [name, tensor] of all) if (!own.tensors.has(name)) tensor.dispose();
    }
    for (const values of [this.sum, ...Object.values(this.parts.trained)]) values.dispose();
    this.parts.optimizer.dispose();
    for (const program of Object.values(this.parts.programs)) program?.dispose();
  }

  /** Runs the micro-batches on all lanes and leaves the sum of their gradients in `sum`. */
  private async microBatches(
    step: number,
    images: Float32Array,
    count: number,
    wanted: readonly string[],
  ): Promise<MicroBatchReport[]> {
    const { run } = this.parts.settings;
    const size = images.length / count;
    const free = [...this.parts.lanes];
    const waiting: ((lane: Lane) => void)[] = [];
    const acquire = () => {
      const lane = free.pop();
      return lane ? Promise.resolve(lane) : new Promise<Lane>((resolve) => waiting.push(resolve));
    };
    const release = (lane: Lane) => {
      const next = waiting.shift();
      if (next) next(lane);
      else free.push(lane);
    };
    const compute = async (i: number, lane: Lane, before: Promise<unknown> | undefined): Promise<MicroBatchReport> => {
      try {
        const part = images.subarray(i * size, (i + 1) * size);
        const report = await lane.run(part, step, i * run.microBatch, this.parts.weights, wanted);
        await before; // the micro-batches before this one are summed, so the order of summation is fixed
        const own = lane.gradients as ParameterValues;
        if (i === 0) [this.sum, lane.gradients] = [own, this.sum];
        else await this.parts.optimizer.accumulate(this.sum, own);
        return report;
      } finally {
        release(lane);
      }
    };
    const running: Promise<MicroBatchReport>[] = [];
    for (let i = 0; i < count; i++) {
      const done = compute(i, await acquire(), running.at(-1));
      done.catch(() => {}); // thrown below, when nothing is in flight any more
      running.push(done);
    }
    const settled = await Promise.allSettled(running);
    const failed = settled.find((outcome) => outcome.status === "rejected");
    if (failed) throw failed.reason;
    return Promise.all(running);
  }

  /** running <- (1 - momentum) running + momentum * batch, over the mean of the micro-batches. */
  private async followStatistics(batch: Float32Array): Promise<void> {
    let offset = 0;
    for (const { name, size } of this.parts.observed) {
      const running = this.parts.weights.online.get(name) as DeviceTensor<"float32">;
      const { data, shape } = await running.read();
      const mixed = data.map((value, i) => (1 - MOMENTUM) * value + MOMENTUM * batch[offset + i]);
      await running.write({ dtype: "float32", shape, data: mixed });
      offset += size;
    }
  }
}

/** On the CPU the memory itself, which nobody changes until the next step. */
async function snapshot(tensor: DeviceTensor<"float32">): Promise<TensorData> {
  return tensor.data ? { dtype: "float32", shape: tensor.shape, data: tensor.data } : tensor.read();
}

/** Writes the values named `prefix` + name into the tensors; those without a value keep theirs. */
async function fill(tensors: TensorMap, values: ReadonlyMap<string, TensorData>, prefix = ""): Promise<void> {
  for (const [name, tensor] of tensors) {
    const value = values.get(prefix + name);
    if (value) await tensor.write(value as TensorData<"float32">);
  }
}

/** `trained`, filled from `values`, and tensors of their own for all other values. */
async function completed(
  runtime: Runtime,
  trained: TensorMap,
  values: ReadonlyMap<string, TensorData>,
): Promise<TensorMap> {
  const all: TensorMap = new Map();
  for (const [name, value] of values) all.set(name, trained.get(name) ?? runtime.allocate("float32", value.shape));
  await fill(all, values);
  return all;
}

/** Element-wise mean in float64, in the order given; undefined when nobody reported. */
function averaged(values: readonly (Float32Array | undefined)[]): Float32Array | undefined {
  const present = values.filter((v) => v !== undefined);
  if (present.length === 0) return undefined;
  return present[0].map((_, i) => present.reduce((sum, v) => sum + v[i], 0) / present.length);
}

/** The state before the first step: the target starts as a copy of the online encoder. */
async function startingState(
  settings: PretrainSettings,
  online: ReadonlyMap<string, Declaration>,
  target: { declarations: ReadonlyMap<string, Declaration> },
): Promise<PretrainState> {
  const model = await startingWeights(settings, online);
  const copied = [...target.declarations.keys()].map((name): [string, TensorData] => {
    const value = model.get(name);
    if (!value)
      throw new InputError({ where: name, expected: "an online counterpart of each target weight", found: "none" });
    return [name, value];
  });
  return { model, target: new Map(copied), optimizer: new Map() };
}
