/** @file One micro-batch of fine-tuning in flight: its buffers on the device, and the runs that fill them. */

import type { Target } from "../data/targets.js";
import type { Graph } from "../graph/graph.js";
import { inputName } from "../graph/graph.js";
import type { Bindings, DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { Criterion, type Normalisers } from "./criterion.js";
import type { CriterionOptions, CriterionPrograms, CriterionShape } from "./criterion-programs.js";
import type { PointDraws } from "./pair-sampler.js";
import { GRADIENT_PREFIX, IMAGES, KEEP, STATISTICS, type TrainingGraphs } from "./programs.js";

/** Compiled once, shared by all lanes. */
export interface TrainingPrograms {
  readonly forward: Program;
  readonly backward: Program;
  readonly criterion: CriterionPrograms;
}

export interface MicroBatch {
  /** [n, 3, H, W] */
  readonly images: Float32Array;
  readonly targets: readonly (readonly Target[])[];
  /** Factors of drop path, where the backbone has it. */
  readonly keep?: Float32Array;
  readonly draws: PointDraws;
  readonly normalisers: Normalisers;
}

export interface MicroBatchReport {
  /** By the reference's names, over the batch's normalisers. */
  readonly losses: ReadonlyMap<string, number>;
  readonly statistics?: Float32Array;
}

export class Lane {
  /** Everything but weights and gradients, by the name of the input or output it is bound to. */
  private readonly buffers = new Map<string, DeviceTensor>();
  private readonly criterion: Criterion;

  constructor(
    runtime: Runtime,
    graphs: TrainingGraphs,
    private readonly programs: TrainingPrograms,
    shape: CriterionShape,
    options: CriterionOptions,
  ) {
    const weights = new Set(graphs.parameters.tensors.keys());
    const add = (name: string, { dtype, shape }: Graph["inputs"][number]) => {
      if (!weights.has(name) && !this.buffers.has(name)) this.buffers.set(name, runtime.allocate(dtype, shape));
    };
    for (const [name, tensor] of graphs.forward.outputs) add(name, tensor);
    for (const graph of [graphs.forward, graphs.backward])
      for (const tensor of graph.inputs) add(inputName(tensor), tensor);
    this.criterion = new Criterion(runtime, programs.criterion, shape, options);
  }

  /**
   * Losses of a micro-batch; its gradients go to `gradients` (by parameter name).
   * @throws NonFiniteImage
   */
  async run(microBatch: MicroBatch, weights: TensorMap, gradients: TensorMap): Promise<MicroBatchReport> {
    const { forward, backward } = this.programs;
    await this.write(IMAGES, microBatch.images);
    if (microBatch.keep) await this.write(KEEP, microBatch.keep);
    await forward.run(this.bind(forward.inputs, weights), this.bind(forward.outputs, weights));
    const { targets, normalisers, draws } = microBatch;
    const losses = await this.criterion.run(this.buffers, this.buffers, targets, normalisers, draws);
    const fetches = Object.fromEntries([...gradients].map(([name, tensor]) => [GRADIENT_PREFIX + name, tensor]));
    await backward.run(this.bind(backward.inputs, weights), fetches);
    const statistics = this.buffers.get(STATISTICS) as DeviceTensor<"float32"> | undefined;
    return { losses, ...(statistics && { statistics: (await statistics.read()).data }) };
  }

  dispose(): void {
    for (const tensor of this.buffers.values()) tensor.dispose();
    this.criterion.dispose();
  }

  private async write(name: string, data: Float32Array): Promise<void> {
    const buffer = this.buffers.get(name) as DeviceTensor<"float32">;
    await buffer.write({ dtype: "float32", shape: buffer.shape, data });
  }

  private bind(names: readonly string[], weights: TensorMap): Bindings {
    return Object.fromEntries(
      names.map((name) => {
        const tensor = this.buffers.get(name) ?? weights.get(name);
        if (!tensor) throw new RangeError(`fine-tuning step: nothing to bind to ${name}`);
        return [name, tensor];
      }),
    );
  }
}
