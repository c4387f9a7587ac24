/** @file One micro-batch in flight: its buffers on the device, and the runs that fill them. */

import { sizeOf, type TensorData } from "../core/tensor-data.js";
import type { Graph } from "../graph/graph.js";
import { drawKeepFactors } from "../models/drop-path.js";
import { toOnnx } from "../onnx/emit.js";
import type { Bindings, DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { drawMask, maskStream, noiseStream, queryStream } from "./draws.js";
import { GRADIENT_PREFIX, pyramidNames, stepShapes, TARGET_PREFIX } from "./programs.js";
import { maskGrid, type PretrainSettings } from "./settings.js";

export interface StepPrograms {
  /** Only with a frozen backbone. */
  backbone?: Program;
  target: Program;
  gradients: Program;
}

/** A graph compiled under its own name; `frozenWeights` when all its weights are constants. */
export function compileGraph(runtime: Runtime, graph: Graph, frozenWeights = false): Promise<Program> {
  return runtime.compile(toOnnx(graph), { name: graph.name, frozenWeights });
}

/** What the programs read besides a lane's own buffers. */
export interface StepWeights {
  online: TensorMap;
  /** By canonical name. */
  target: TensorMap;
}

/** Small tensors that a micro-batch reports, by output name. */
export type MicroBatchReport = Map<string, Float32Array>;

interface LaneResults {
  /** Names of the outputs to report. */
  reports: readonly string[];
  /** Where the gradients go, by parameter name; not computed when absent. */
  gradients?: TensorMap;
}

export class Lane {
  /** Buffers by the input or output name they are bound to. */
  private readonly buffers = new Map<string, DeviceTensor>();
  private readonly reports = new Map<string, DeviceTensor<"float32">>();
  constructor(
    runtime: Runtime,
    private readonly settings: PretrainSettings,
    private readonly programs: StepPrograms,
    reportShapes: ReadonlyMap<string, readonly number[]>,
  ) {
    const shapes = stepShapes(settings);
    for (const name of ["images", "noise", "queries", "target"] as const) {
      this.buffers.set(name, runtime.allocate("float32", shapes[name]));
    }
    this.buffers.set("masked", runtime.allocate("int64", shapes.masked));
    if (shapes.keep) this.buffers.set("keep", runtime.allocate("float32", shapes.keep));
    if (programs.backbone) {
      for (const kind of ["clean", "noisy"] as const) {
        pyramidNames(kind).forEach((name, i) => {
          this.buffers.set(name, runtime.allocate("float32", shapes.pyramid[i]));
        });
      }
    }
    for (const [name, shape] of reportShapes) this.reports.set(name, runtime.allocate("float32", shape));
  }

  /**
   * Draws the noise, masks and queries of the samples of a micro-batch and computes its gradients and reports.
   * `images` [n, 3, H, W], `first` the number of the first sample within the step.
   */
  async run(
    images: Float32Array,
    step: number,
    first: number,
    weights: StepWeights,
    { reports, gradients: found }: LaneResults,
  ): Promise<MicroBatchReport> {
    await this.fill(images, step, first);
    const { backbone, target, gradients } = this.programs;
    if (backbone) await backbone.run(this.bind(backbone.inputs), this.bind(backbone.outputs));
    await target.run(this.bind(target.inputs, weights), this.bind(["target"]));
    const fetches: Record<string, DeviceTensor> = {};
    for (const [name, tensor] of found ?? []) fetches[GRADIENT_PREFIX + name] = tensor;
    for (const name of reports) fetches[name] = this.reports.get(name) as DeviceTensor;
    await gradients.run(this.bind(gradients.inputs, weights), fetches);
    const read = reports.map(async (name) => {
      const { data } = await (this.reports.get(name) as DeviceTensor<"float32">).read();
      return [name, data] as const;
    });
    return new Map(await Promise.all(read));
  }

  dispose(): void {
    for (const map of [this.buffers, this.reports]) for (const t of map.values()) t.dispose();
  }

  private bind(names: readonly string[], weights?: StepWeights): Bindings {
    return Object.fromEntries(
      names.map((name) => {
        const tensor =
          this.buffers.get(name) ??
          (name.startsWith(TARGET_PREFIX)
            ? weights?.target.get(name.slice(TARGET_PREFIX.length))
            : weights?.online.get(name));
        if (!tensor) throw new RangeError(`pretraining step: nothing to bind to ${name}`);
        return [name, tensor];
      }),
    );
  }

  private async fill(images: Float32Array, step: number, first: number): Promise<void> {
    const { model, pretrain, run } = this.settings;
    const { cells, masked } = maskGrid(this.settings);
    const shapes = stepShapes(this.settings);
    const perSample = (shape: readonly number[]) => shape.slice(1).reduce((a, b) => a * b, 1);
    const noise = new Float32Array(run.microBatch * perSample(shapes.noise));
    const queries = new Float32Array(run.microBatch * perSample(shapes.queries));
    const positions = new BigInt64Array(run.microBatch * perSample(shapes.masked));
    const keep = new Float32Array(shapes.keep ? sizeOf(shapes.keep) : 0);
    for (let i = 0; i < run.microBatch; i++) {
      const key = { seed: run.seed, step, sample: first + i };
      const part = <T extends Float32Array | BigInt64Array>(all: T, n: number) => all.subarray(i * n, (i + 1) * n) as T;
      noiseStream(key).fillNormal(part(noise, perSample(shapes.noise)), pretrain.sigma);
      queryStream(key).fillNormal(part(queries, perSample(shapes.queries)));
      part(positions, perSample(shapes.masked)).set(drawMask(maskStream(key), cells, pretrain.maskPatch, masked));
      if (model.backbone === "swin" && shapes.keep) {
        drawKeepFactors(key, model.dropPath, part(keep, perSample(shapes.keep)));
      }
    }
    const write = (name: string, data: TensorData) => (this.buffers.get(name) as DeviceTensor).write(data);
    await Promise.all([
      write("images", { dtype: "float32", shape: shapes.images, data: images }),
      write("noise", { dtype: "float32", shape: shapes.noise, data: noise }),
      write("queries", { dtype: "float32", shape: shapes.queries, data: queries }),
      write("masked", { dtype: "int64", shape: shapes.masked, data: positions }),
      ...(shapes.keep ? [write("keep", { dtype: "float32", shape: shapes.keep, data: keep })] : []),
    ]);
  }
}
