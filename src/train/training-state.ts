/** @file The state of a training: what a checkpoint holds, in the memory of the device. */

import type { TensorData } from "../core/tensor-data.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import type { ObjectiveWeights, StepWeights } from "./objective.js";
import type { OptimizerState } from "./optimizer.js";
import type { ParameterLayout, TensorMap } from "./parameter-layout.js";

/** Values by checkpoint part. */
export interface TrainingState {
  model: Map<string, TensorData>;
  /** EMA; empty where nothing is averaged. */
  target: Map<string, TensorData>;
  /** Moments of AdamW: exp_avg.NAME and exp_avg_sq.NAME, as PyTorch calls them. */
  optimizer: Map<string, TensorData>;
}

const MEAN = "exp_avg.";
const SQUARE = "exp_avg_sq.";

/** Weights, moments and averages where training changes them. */
export class DeviceState {
  private constructor(
    readonly trained: OptimizerState,
    /** All weights as they are now, also those that training does not change. */
    readonly weights: StepWeights,
  ) {}

  /** @throws RangeError when a trained weight has no value */
  static async create(
    runtime: Runtime,
    layout: ParameterLayout,
    { trained: names }: ObjectiveWeights,
    initial: TrainingState,
  ): Promise<DeviceState> {
    const missing = names.find((name) => !initial.model.has(name));
    if (missing !== undefined) throw new RangeError(`training: no starting value of ${missing}`);
    const trained: OptimizerState = {
      weights: layout.allocate(),
      means: layout.allocate(),
      squares: layout.allocate(),
      averages: layout.allocate({ averaged: true }),
    };
    await fill(trained.means.tensors, initial.optimizer, MEAN);
    await fill(trained.squares.tensors, initial.optimizer, SQUARE);
    return new DeviceState(trained, {
      online: await completed(runtime, trained.weights.tensors, initial.model),
      target: await completed(runtime, trained.averages.tensors, initial.target),
    });
  }

  /** On the CPU the memory itself, which changes with the next step. */
  async read(): Promise<TrainingState> {
    const download = async (tensors: TensorMap, prefix = "") => {
      const entries = [...tensors].map(async ([name, t]) => [prefix + name, await snapshot(t)] as const);
      return new Map<string, TensorData>(await Promise.all(entries));
    };
    const { means, squares } = this.trained;
    return {
      model: await download(this.weights.online),
      target: await download(this.weights.target),
      optimizer: new Map([...(await download(means.tensors, MEAN)), ...(await download(squares.tensors, SQUARE))]),
    };
  }

  dispose(): void {
    const { weights, averages } = this.trained;
    for (const [all, own] of [
      [this.weights.online, weights],
      [this.weights.target, averages],
    ] as const) {
      for (const [name, tensor] of all) if (!own.tensors.has(name)) tensor.dispose();
    }
    for (const values of Object.values(this.trained)) values.dispose();
  }
}

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
