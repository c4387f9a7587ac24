/** @file What training changes, and how a step changes it: gradients of micro-batches summed in order, AdamW and EMA in place. */

import type { TensorData } from "../core/tensor-data.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import type { AdamWOptions, ParameterGroup, UpdatedTensor } from "./adamw.js";
import { Optimizer, type OptimizerState } from "./optimizer.js";
import { type ParameterValues, parameterLayout, type TensorMap } from "./parameter-layout.js";
import { learningRateFactor, type Schedule } from "./schedule.js";

export interface OptimOptions extends AdamWOptions, Omit<Schedule, "kind"> {
  readonly lr: number;
  readonly weightDecay: number;
  /** Largest L2 norm of the whole gradient, or null. */
  readonly clip: number | null;
  readonly schedule: Schedule["kind"];
  /** Learning rate of the backbone relative to lr. */
  readonly backboneLrFactor: number;
}

/** Values by checkpoint part. */
export interface LearnerState {
  model: Map<string, TensorData>;
  /** EMA; empty where nothing is averaged. */
  target: Map<string, TensorData>;
  optimizer: Map<string, TensorData>;
}

export interface LearnerOptions {
  /** Every parameter by name. */
  readonly declarations: ReadonlyMap<string, { readonly shape: readonly number[]; readonly decay: boolean }>;
  /** Names of those that training changes. */
  readonly trained: readonly string[];
  /** Names of those of which the target holds an average. */
  readonly averaged: ReadonlySet<string>;
  readonly optim: OptimOptions;
  /** Length of the whole run, which the schedule needs. */
  readonly steps: number;
  /** Micro-batches in flight at once. */
  readonly slots: number;
  readonly initial: LearnerState;
}

/** A running statistic that follows the batch's. */
export interface Observed {
  readonly name: string;
  readonly size: number;
}

/** Momentum of the running batch statistics, as in PyTorch. */
const MOMENTUM = 0.1;
const isBackbone = (name: string) => name.startsWith("backbone.");

export class Learner {
  private constructor(
    private readonly options: LearnerOptions,
    private readonly groups: readonly (ParameterGroup & { factor: number })[],
    private readonly optimizer: Optimizer,
    private readonly trained: OptimizerState,
    /** All weights as they are now; those that training does not change as well. */
    readonly weights: { readonly online: TensorMap; readonly target: TensorMap },
    /** Sum of the gradients of a step's micro-batches. */
    private sum: ParameterValues,
    /** Gradients of the micro-batch in flight in each slot. */
    private readonly gradients: ParameterValues[],
  ) {}

  static async create(runtime: Runtime, options: LearnerOptions): Promise<Learner> {
    const { declarations, trained: names, averaged, optim, slots, initial } = options;
    const groups = [optim.weightDecay, 0].flatMap((weightDecay) =>
      [1, optim.backboneLrFactor].map((factor) => ({ factor, weightDecay, learningRate: optim.lr * factor })),
    );
    const parameters = names.map((name): UpdatedTensor => {
      const declaration = declarations.get(name);
      if (!declaration) throw new RangeError(`learner: ${name} is trained but was never declared`);
      const group = (declaration.decay ? 0 : 2) + (isBackbone(name) ? 1 : 0);
      return { name, shape: declaration.shape, group, averaged: averaged.has(name) };
    });
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
    const gradients = Array.from({ length: slots }, () => layout.allocate());
    const optimizer = await Optimizer.create(runtime, layout, groups.length, optim);
    return new Learner(options, groups, optimizer, trained, weights, layout.allocate(), gradients);
  }

  /**
   * Runs `work` for the micro-batches 0 .. count - 1, one a free slot, and keeps the sum of the gradients that it leaves in the
   * slot's memory. They are summed in the order of the micro-batches, whatever ends first, so no bit depends on the number of
   * slots. When one fails, its error is thrown after all have ended.
   */
  async accumulate<T>(
    count: number,
    work: (microBatch: number, slot: number, gradients: TensorMap) => Promise<T>,
  ): Promise<T[]> {
    const free = this.gradients.map((_, slot) => slot);
    const waiting: ((slot: number) => void)[] = [];
    const acquire = () => {
      const slot = free.pop();
      return slot === undefined ? new Promise<number>((resolve) => waiting.push(resolve)) : Promise.resolve(slot);
    };
    const release = (slot: number) => {
      const next = waiting.shift();
      if (next) next(slot);
      else free.push(slot);
    };
    const compute = async (i: number, slot: number, before: Promise<unknown> | undefined): Promise<T> => {
      try {
        const result = await work(i, slot, this.gradients[slot].tensors);
        await before; // the micro-batches before this one are summed
        const own = this.gradients[slot];
        if (i === 0) [this.sum, this.gradients[slot]] = [own, this.sum];
        else await this.optimizer.accumulate(this.sum, own);
        return result;
      } finally {
        release(slot);
      }
    };
    const running: Promise<T>[] = [];
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

  /** Norm of the summed gradient over `divisor`, before clipping; NaN or infinite when one of its numbers is. */
  gradientNorm(divisor: number): Promise<number> {
    return this.optimizer.gradientNorm(this.sum, divisor);
  }

  /**
   * AdamW with the summed gradient over `divisor`, whose norm is `norm`, at 0-based `step`; then the EMA with decay `tau`.
   * Returns the learning rate that was used.
   */
  async update(step: number, norm: number, { divisor, tau }: { divisor: number; tau: number }): Promise<number> {
    const { optim, steps } = this.options;
    const factor = learningRateFactor({ ...optim, kind: optim.schedule }, step, steps);
    const groups = this.groups.map((group) => ({ ...group, learningRate: group.learningRate * factor }));
    const numbers = { t: step + 1, groups, microBatches: divisor, clip: optim.clip, tau };
    await this.optimizer.update(this.trained, this.sum, norm, numbers);
    return optim.lr * factor;
  }

  /** running <- (1 - momentum) running + momentum * batch; `batch` holds the statistics one after another. */
  async followStatistics(observed: readonly Observed[], batch: Float32Array): Promise<void> {
    let offset = 0;
    for (const { name, size } of observed) {
      const running = this.weights.online.get(name) as DeviceTensor<"float32">;
      const { data, shape } = await running.read();
      const mixed = data.map((value, i) => (1 - MOMENTUM) * value + MOMENTUM * batch[offset + i]);
      await running.write({ dtype: "float32", shape, data: mixed });
      offset += size;
    }
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  async state(): Promise<LearnerState> {
    const download = async (tensors: TensorMap, prefix = "") => {
      const entries = [...tensors].map(async ([name, t]) => [prefix + name, await snapshot(t)] as const);
      return new Map<string, TensorData>(await Promise.all(entries));
    };
    const { means, squares } = this.trained;
    const moments = [await download(means.tensors, "exp_avg."), await download(squares.tensors, "exp_avg_sq.")];
    return {
      model: await download(this.weights.online),
      target: await download(this.weights.target),
      optimizer: new Map(moments.flatMap((m) => [...m])),
    };
  }

  dispose(): void {
    const { weights, averages } = this.trained;
    const { online, target } = this.weights;
    for (const [all, own] of [
      [online, weights],
      [target, averages],
    ] as const) {
      for (const [name, tensor] of all) if (!own.tensors.has(name)) tensor.dispose();
    }
    for (const values of [this.sum, ...this.gradients, ...Object.values(this.trained)]) values.dispose();
    this.optimizer.dispose();
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
