/** @file A compiled graph with the memory for several images on their way through it. */

import type { TypedArray } from "../core/tensor-data.js";
import { toOnnx } from "../onnx/emit.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { LaneBuffers } from "../train/lane-buffers.js";
import type { MapGraph } from "./map-graphs.js";

export type LiveWeights = ReadonlyMap<string, DeviceTensor>;

/** Values that are good until they are released. */
export interface HeldOutputs {
  readonly values: ReadonlyMap<string, TypedArray>;
  release(): void;
}

export class OpenGraph {
  private readonly free: LaneBuffers[] = [];
  private readonly lanes: LaneBuffers[] = [];

  private constructor(
    private readonly runtime: Runtime,
    private readonly source: MapGraph,
    private readonly program: Program,
  ) {}

  static async compile(runtime: Runtime, source: MapGraph): Promise<OpenGraph> {
    const { graph } = source;
    return new OpenGraph(runtime, source, await runtime.compile(toOnnx(graph), { name: graph.name }));
  }

  /** The outputs `wanted` of one image, in memory that the next ones use again. */
  async run(
    inputs: ReadonlyMap<string, TypedArray>,
    weights: LiveWeights,
    wanted: readonly string[],
  ): Promise<HeldOutputs> {
    const lane = this.free.pop() ?? this.openLane();
    for (const [name, data] of inputs) if (lane.has(name)) await lane.write(name, data);
    await this.program.run(
      lane.bind(this.program.inputs, (name) => weights.get(name)),
      lane.bind(wanted),
    );
    const read = wanted.map(async (name) => [name, lane.get(name).data ?? (await lane.read(name))] as const);
    const values = new Map<string, TypedArray>(await Promise.all(read));
    return { values, release: () => void this.free.push(lane) };
  }

  /** Nothing may be under way. */
  dispose(): void {
    for (const lane of this.lanes) lane.dispose();
    this.program.dispose();
  }

  private openLane(): LaneBuffers {
    const { graph, weights } = this.source;
    const lane = new LaneBuffers(this.runtime, [graph], (name) => weights.has(name));
    this.lanes.push(lane);
    return lane;
  }
}
