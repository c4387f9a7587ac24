/** @file Mask-JEPA as an objective of the trainer: its weights, its programs, and what a micro-batch reports. */

import type { TensorData } from "../core/tensor-data.js";
import { dropPathOf } from "../families/drop-path.js";
import type { Graph } from "../graph/graph.js";
import type { Declaration } from "../nn/scope.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { Runtime } from "../runtime/contract.js";
import type { Lane, MicroBatchReport, Objective, ObjectiveWeights } from "../train/objective.js";
import { type CompiledGraph, disposePrograms, PretrainLane, type StepPrograms } from "./lane.js";
import {
  buildFrozenBackbone,
  buildGradients,
  buildTarget,
  LAST_MOMENTS,
  LOSSES,
  MOMENTS,
  STATISTICS,
  type StepOptions,
} from "./programs.js";

export interface PretrainBatch {
  /** [batch, 3, H, W] */
  readonly images: Float32Array;
  /** Whether the moments of the target features are reported too. */
  readonly monitored: boolean;
}

/** A graph and its program; `frozenWeights` when all its weights are constants. */
export async function withProgram(runtime: Runtime, graph: Graph, frozenWeights = false): Promise<CompiledGraph> {
  return { graph, program: await compileGraph(runtime, graph, { frozenWeights }) };
}

/** The graphs of the objective, before they are compiled. */
export function maskJepaGraphs(options: StepOptions) {
  const online = buildGradients(options);
  const target = buildTarget(options);
  const weights: ObjectiveWeights = {
    declarations: online.declarations,
    trained: online.trained,
    averaged: new Set(target.parameters.tensors.keys()),
    observed: online.observed,
  };
  return { online: online.graph, target: target.graph, targetWeights: target.parameters.declarations, weights };
}

export class MaskJepa implements Objective<PretrainBatch> {
  readonly reduction = "mean";
  readonly dropPath;

  private constructor(
    private readonly runtime: Runtime,
    private readonly options: StepOptions,
    private readonly programs: StepPrograms,
    readonly weights: ObjectiveWeights,
    private readonly seed: number,
  ) {
    this.dropPath = options.frozenBackbone ? undefined : dropPathOf(options.encoder);
  }

  /**
   * Builds and compiles the programs. `valuesOf` gives the starting values of the weights that they declare; a frozen
   * backbone's are compiled in.
   */
  static async create(
    runtime: Runtime,
    options: StepOptions,
    seed: number,
    valuesOf: (online: Declarations, target: Declarations) => Promise<ReadonlyMap<string, TensorData>>,
  ): Promise<MaskJepa> {
    const { online, target, targetWeights, weights } = maskJepaGraphs(options);
    const values = await valuesOf(weights.declarations, targetWeights);
    const programs: StepPrograms = {
      ...(options.frozenBackbone && {
        backbone: await withProgram(runtime, buildFrozenBackbone(options, values), true),
      }),
      target: await withProgram(runtime, target),
      online: await withProgram(runtime, online),
    };
    return new MaskJepa(runtime, options, programs, weights, seed);
  }

  openLane(): Lane<PretrainBatch> {
    const { runtime, options, programs, weights, seed } = this;
    const lane = new PretrainLane(runtime, options, programs, seed, weights.declarations);
    const outputs = [...programs.online.graph.outputs.keys()];
    const losses = LOSSES.filter((name) => outputs.includes(name));
    const statistics = weights.observed.length > 0 ? [STATISTICS] : [];
    const perImage = 3 * options.size ** 2;
    return {
      async run({ batch, ...microBatch }, stepWeights, gradients): Promise<MicroBatchReport> {
        const { images, monitored } = batch;
        const { first } = microBatch;
        const part = images.subarray(first * perImage, (first + options.images) * perImage);
        const values = ["cosine", ...(monitored ? [...MOMENTS, ...LAST_MOMENTS] : [])];
        const wanted = [...losses, ...values, ...statistics];
        const found = await lane.run(part, microBatch, stepWeights, wanted, gradients);
        const value = (name: string) => found.get(name) as Float32Array;
        return {
          losses: new Map(losses.map((name) => [name, value(name)[0]])),
          values: new Map(values.map((name) => [name, value(name)])),
          statistics: found.get(STATISTICS),
        };
      },
      dispose: () => lane.dispose(),
    };
  }

  dispose(): void {
    disposePrograms(this.programs);
  }
}

type Declarations = ReadonlyMap<string, Declaration>;
