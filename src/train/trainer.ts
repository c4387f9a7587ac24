/**
 * @file One step over a batch, whatever is trained: micro-batches in lanes, summed in order, checked, clipped, applied.
 */

import { drawKeepFactors } from "../models/drop-path.js";
import type { Runtime } from "../runtime/contract.js";
import type { AdamWOptions, ParameterGroup, UpdatedTensor } from "./adamw.js";
import { averageOf } from "./average.js";
import { followStatistics } from "./batch-statistics.js";
import { inOrder } from "./lanes.js";
import { NonFiniteError, NonFiniteImage } from "./non-finite.js";
import type { Lane, MicroBatch, MicroBatchReport, Objective, StepWeights } from "./objective.js";
import { Optimizer } from "./optimizer.js";
import { type ParameterValues, parameterLayout } from "./parameter-layout.js";
import { learningRateFactor, type Schedule } from "./schedule.js";
import { DeviceState, type TrainingState } from "./training-state.js";

export interface OptimOptions extends AdamWOptions, Omit<Schedule, "kind"> {
  readonly lr: number;
  readonly weightDecay: number;
  /** Largest L2 norm of the whole gradient, or null. */
  readonly clip: number | null;
  readonly schedule: Schedule["kind"];
  /** Parts with learning rates of their own, which share no weight. */
  readonly rates: readonly PartRate[];
}

/** The learning rate of the weights whose names begin with one of `prefixes`, relative to lr. */
export interface PartRate {
  readonly prefixes: readonly string[];
  readonly factor: number;
}

export interface TrainerOptions {
  readonly optim: OptimOptions;
  /** Length of the whole run, which the schedule needs. */
  readonly steps: number;
  /** Of everything random that the trainer draws. */
  readonly seed: number;
  /** Images of a step, and of one forward and backward pass. */
  readonly batch: number;
  readonly microBatch: number;
}

export interface TrainerReport {
  /** Of the whole batch, in the objective's order. */
  readonly losses: Record<string, number>;
  /** What the micro-batches reported beside, averaged. */
  readonly values: ReadonlyMap<string, Float32Array>;
  /** Norm of the whole gradient before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

/** A lane and the memory of the gradients that it leaves. */
interface Slot<Batch> {
  readonly lane: Lane<Batch>;
  gradients: ParameterValues;
}

export class Trainer<Batch> {
  /** Whether the starting values, which nobody needs any more, were cleared away. */
  private cleared = false;

  private constructor(
    private readonly runtime: Runtime,
    private readonly objective: Objective<Batch>,
    private readonly options: TrainerOptions,
    private readonly groups: readonly (ParameterGroup & { factor: number })[],
    private readonly optimizer: Optimizer,
    private readonly held: DeviceState,
    private readonly slots: readonly Slot<Batch>[],
    /** Where a step's gradients are summed: memory of its own only where there are more micro-batches than lanes. */
    private sum: ParameterValues | undefined,
  ) {}

  /** `initial`: a value for every weight, and moments and averages where there are some. */
  static async create<Batch>(
    runtime: Runtime,
    objective: Objective<Batch>,
    options: TrainerOptions,
    initial: TrainingState,
  ): Promise<Trainer<Batch>> {
    const { optim, batch, microBatch } = options;
    const { declarations, trained, averaged } = objective.weights;
    const factors = [1, ...optim.rates.map(({ factor }) => factor)];
    const groups = [optim.weightDecay, 0].flatMap((weightDecay) =>
      factors.map((factor) => ({ factor, weightDecay, learningRate: optim.lr * factor })),
    );
    const partOf = (name: string) =>
      1 + optim.rates.findIndex(({ prefixes }) => prefixes.some((prefix) => name.startsWith(prefix)));
    const parameters = trained.map((name): UpdatedTensor => {
      const declaration = declarations.get(name);
      if (!declaration) throw new RangeError(`training: ${name} is trained but was never declared`);
      const group = (declaration.decay ? 0 : factors.length) + partOf(name);
      return { name, shape: declaration.shape, group, averaged: averaged.has(name) };
    });
    const layout = parameterLayout(runtime, parameters);
    const held = await DeviceState.create(runtime, layout, objective.weights, initial);
    const count = batch / microBatch;
    const slots = Array.from({ length: Math.min(runtime.cores, count) }, () => ({
      lane: objective.openLane(),
      gradients: layout.allocate(),
    }));
    const optimizer = await Optimizer.create(runtime, layout, groups.length, optim);
    const sum = count > slots.length ? layout.allocate() : undefined;
    return new Trainer(runtime, objective, options, groups, optimizer, held, slots, sum);
  }

  /**
   * One optimiser step; `step` from 0, `tau` the decay of the target's average. The result does not depend on the
   * number of lanes.
   * @throws NonFiniteError, with nothing updated
   */
  async step(step: number, batch: Batch, tau = 0): Promise<TrainerReport> {
    if (!this.cleared) this.runtime.collectGarbage();
    this.cleared = true;
    const { reduction, weights } = this.objective;
    const { batch: images, microBatch } = this.options;
    const count = images / microBatch;
    const reports = await inOrder(
      count,
      this.slots.length,
      (i, slot) =>
        this.compute(slot, { batch, step, first: i * microBatch, keep: this.keepFactors(step, i * microBatch) }),
      (i, slot) => this.add(i, slot),
    );
    const gradient = this.sum ?? this.slots[0].gradients;
    const divisor = reduction === "mean" ? count : 1;
    const losses = totalLosses(reports, reduction);
    const gradientNorm = await this.optimizer.gradientNorm(gradient, divisor);
    for (const [what, value] of [...Object.entries(losses), ["gradient norm", gradientNorm] as const]) {
      if (!Number.isFinite(value)) throw new NonFiniteError(step + 1, `the ${what} is ${value}`);
    }
    const learningRate = await this.update(step, gradient, gradientNorm, { divisor, tau });
    const statistics = averageOf(reports.map((report) => report.statistics));
    if (statistics) await followStatistics(this.weights.online, weights.observed, statistics);
    return { losses, values: averages(reports), gradientNorm, learningRate };
  }

  /** The weights as they are now, for evaluation between steps. */
  get weights(): StepWeights {
    return this.held.weights;
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  state(): Promise<TrainingState> {
    return this.held.read();
  }

  dispose(): void {
    for (const { lane, gradients } of this.slots) {
      lane.dispose();
      gradients.dispose();
    }
    this.sum?.dispose();
    this.held.dispose();
    this.optimizer.dispose();
    this.objective.dispose();
  }

  private async compute(slot: number, microBatch: MicroBatch<Batch>): Promise<MicroBatchReport> {
    const { lane, gradients } = this.slots[slot];
    try {
      return await lane.run(microBatch, this.weights, gradients.tensors);
    } catch (error) {
      if (!(error instanceof NonFiniteImage)) throw error;
      throw new NonFiniteError(microBatch.step + 1, error.what, microBatch.first + error.image);
    }
  }

  /**
   * Adds the gradients of micro-batch `i` to those before it. Without a sum of its own it is in slot 0, where the first
   * one is.
   */
  private async add(i: number, slot: number): Promise<void> {
    const own = this.slots[slot];
    if (i > 0) await this.optimizer.accumulate(this.sum ?? this.slots[0].gradients, own.gradients);
    else if (this.sum) [this.sum, own.gradients] = [own.gradients, this.sum];
  }

  /** AdamW and EMA in place; returns the learning rate. */
  private async update(
    step: number,
    gradient: ParameterValues,
    norm: number,
    { divisor, tau }: { divisor: number; tau: number },
  ): Promise<number> {
    const { optim, steps } = this.options;
    const factor = learningRateFactor({ ...optim, kind: optim.schedule }, step, steps);
    const groups = this.groups.map((group) => ({ ...group, learningRate: group.learningRate * factor }));
    const numbers = { t: step + 1, groups, microBatches: divisor, clip: optim.clip, tau };
    await this.optimizer.update(this.held.trained, gradient, norm, numbers);
    return optim.lr * factor;
  }

  /** The factors of drop path of a micro-batch [images, blocks, 2], a draw of its own for each image. */
  private keepFactors(step: number, first: number): Float32Array | undefined {
    const { dropPath } = this.objective;
    if (!dropPath) return undefined;
    const { seed, microBatch } = this.options;
    const each = 2 * dropPath.blocks;
    const factors = new Float32Array(microBatch * each);
    for (let i = 0; i < microBatch; i++) {
      drawKeepFactors({ seed, step, sample: first + i }, dropPath.rate, factors.subarray(i * each, (i + 1) * each));
    }
    return factors;
  }
}

/** The losses of the batch. A mean of float32 numbers is given as one. */
function totalLosses(reports: readonly MicroBatchReport[], reduction: "mean" | "sum"): Record<string, number> {
  const losses: Record<string, number> = {};
  for (const name of reports[0].losses.keys()) {
    const total = reports.reduce((sum, report) => sum + (report.losses.get(name) as number), 0);
    losses[name] = reduction === "sum" ? total : Math.fround(total / reports.length);
  }
  return losses;
}

function averages(reports: readonly MicroBatchReport[]): Map<string, Float32Array> {
  const names = [...(reports[0].values?.keys() ?? [])];
  return new Map(names.map((name) => [name, averageOf(reports.map(({ values }) => values?.get(name)))!]));
}
