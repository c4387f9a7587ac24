/** @file One micro-batch of pretraining in flight: what is drawn for it, and the programs that it runs through. */

import { sizeOf } from "../core/tensor-data.js";
import { KEEP } from "../families/drop-path.js";
import type { Graph } from "../graph/graph.js";
import type { Program, Runtime } from "../runtime/contract.js";
import { LaneBuffers } from "../train/lane-buffers.js";
import type { MicroBatch, StepWeights } from "../train/objective.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { drawMask, maskStream, noiseStream, queryStream } from "./draws.js";
import {
  GRADIENT_PREFIX,
  IMAGES,
  MASKED,
  NOISE,
  QUERIES,
  type StepOptions,
  stepShapes,
  TARGET,
  TARGET_PREFIX,
} from "./programs.js";

/** A graph and its compiled form. */
export interface CompiledGraph {
  readonly graph: Graph;
  readonly program: Program;
}

export interface StepPrograms {
  /** Only with a frozen backbone. */
  readonly backbone?: CompiledGraph;
  readonly target: CompiledGraph;
  /** The online side: with gradients in training, without in evaluation. */
  readonly online: CompiledGraph;
}

export function disposePrograms({ backbone, target, online }: StepPrograms): void {
  for (const compiled of [backbone, target, online]) compiled?.program.dispose();
}

export class PretrainLane {
  private readonly buffers: LaneBuffers;

  constructor(
    runtime: Runtime,
    private readonly options: StepOptions,
    private readonly programs: StepPrograms,
    /** Of everything random. */
    private readonly seed: number,
    weights: { has(name: string): boolean },
  ) {
    const { backbone, target, online } = programs;
    const graphs = [backbone, target, online].flatMap((compiled) => (compiled ? [compiled.graph] : []));
    const elsewhere = [TARGET_PREFIX, GRADIENT_PREFIX];
    this.buffers = new LaneBuffers(
      runtime,
      graphs,
      (name) => weights.has(name) || elsewhere.some((prefix) => name.startsWith(prefix)),
    );
  }

  /**
   * Draws the noise, masks and queries of a micro-batch and computes the outputs `wanted` of the online program.
   * `images` [n, 3, H, W]; `gradients`: where they go, by parameter name.
   */
  async run(
    images: Float32Array,
    { step, first, keep }: Omit<MicroBatch<unknown>, "batch">,
    weights: StepWeights,
    wanted: readonly string[],
    gradients: TensorMap = new Map(),
  ): Promise<Map<string, Float32Array>> {
    await this.draw(step, first);
    await this.buffers.write(IMAGES, images);
    if (keep && this.buffers.has(KEEP)) await this.buffers.write(KEEP, keep);
    const { backbone, target, online } = this.programs;
    const weightOf = (name: string) =>
      name.startsWith(TARGET_PREFIX) ? weights.target.get(name.slice(TARGET_PREFIX.length)) : weights.online.get(name);
    const run = ({ program }: CompiledGraph, outputs: readonly string[], also = {}) =>
      program.run(this.buffers.bind(program.inputs, weightOf), { ...this.buffers.bind(outputs), ...also });
    if (backbone) await run(backbone, backbone.program.outputs);
    await run(target, [TARGET]);
    const found = [...gradients].map(([name, tensor]) => [GRADIENT_PREFIX + name, tensor] as const);
    await run(online, wanted, Object.fromEntries(found));
    const read = wanted.map(async (name) => [name, await this.buffers.read(name)] as const);
    return new Map(await Promise.all(read));
  }

  dispose(): void {
    this.buffers.dispose();
  }

  private async draw(step: number, first: number): Promise<void> {
    const {
      images: n,
      noise: { sigma },
      mask,
    } = this.options;
    const shapes = stepShapes(this.options);
    const noise = new Float32Array(sizeOf(shapes.noise));
    const queries = new Float32Array(sizeOf(shapes.queries));
    const positions = new BigInt64Array(sizeOf(shapes.masked));
    for (let i = 0; i < n; i++) {
      const key = { seed: this.seed, step, sample: first + i };
      const part = (all: Float32Array) => all.subarray((i * all.length) / n, ((i + 1) * all.length) / n);
      noiseStream(key).fillNormal(part(noise), sigma);
      queryStream(key).fillNormal(part(queries));
      positions.set(drawMask(maskStream(key), mask), i * mask.masked);
    }
    const { buffers } = this;
    // Without reconstruction nothing is masked or asked.
    const drawn = [
      [NOISE, noise],
      [QUERIES, queries],
      [MASKED, positions],
    ] as const;
    await Promise.all(drawn.map(([name, data]) => buffers.write(name, data)));
  }
}
