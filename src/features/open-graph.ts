/** @file A compiled graph with the memory for several images on their way through it. */

import type { TypedArray } from "../core/tensor-data.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { LaneBuffers } from "../train/lane-buffers.js";
import type { MapGraph } from "./map-graphs.js";

export type LiveWeights = ReadonlyMap<string, DeviceTensor>;

/** Values that are good until they are released. */
export interface HeldOutputs {
  readonly values: ReadonlyMap<string, TypedArray>;
  release(): void;
}

/** Images that may be under way at once: one more than are computed, so that the next one waits with its inputs. */
export const underWay = ({ cores }: Pick<Runtime, "cores">) => cores + 1;

export class OpenGraph {
  private readonly free: LaneBuffers[];

  private constructor(
    private readonly program: Program,
    private readonly lanes: readonly LaneBuffers[],
  ) {
    this.free = [...lanes];
  }

  /** Nothing may be under way: a GPU does not allocate beside a run. */
  static async compile(runtime: Runtime, { graph, weights }: MapGraph): Promise<OpenGraph> {
    const program = await compileGraph(runtime, graph);
    const lane = () => new LaneBuffers(runtime, [graph], (name) => weights.has(name));
    return new OpenGraph(program, Array.from({ length: underWay(runtime) }, lane));
  }

  /** The outputs `wanted` of one image, in memory that a next one uses again; at most `underWay` are held. */
  async run(
    inputs: ReadonlyMap<string, TypedArray>,
    weights: LiveWeights,
    wanted: readonly string[],
  ): Promise<HeldOutputs> {
    const lane = this.free.pop();
    if (!lane) throw new RangeError(`open graph: more than ${this.lanes.length} images under way`);
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
}
