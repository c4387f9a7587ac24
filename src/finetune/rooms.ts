/**
 * @file The halves of a step with ever more room in the family's own inputs: graphs have one size, and what most
 * micro-batches need of it is less than what one may need.
 */

import type { Grid } from "../core/tensor-data.js";
import { type Architecture, familyOf } from "../families/families.js";
import type { ModelPart } from "../families/family.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { Program, Runtime } from "../runtime/contract.js";
import { LaneBuffers } from "../train/lane-buffers.js";
import { buildTraining, GRADIENT_PREFIX, type TrainingGraphs } from "./programs.js";

export interface HalvesOptions {
  readonly architecture: Architecture;
  /** Images of one forward and backward pass. */
  readonly microBatch: number;
  /** Network input, multiples of 32. */
  readonly size: Grid;
  /** Parts of the model that do not train; a backbone among them is to have the form that inference has. */
  readonly frozen?: readonly ModelPart[];
}

/** The halves of a step for one size of a family's own inputs, compiled once, shared by all lanes. */
export interface Halves {
  readonly graphs: TrainingGraphs;
  readonly forward: Program;
  readonly backward: Program;
}

/** The model with ever more room in its own inputs (`Training.rooms`). */
export const roomsOf = ({ architecture, microBatch }: Pick<HalvesOptions, "architecture" | "microBatch">) =>
  familyOf(architecture).training?.rooms?.(architecture, microBatch) ?? [architecture];

/** The halves by room, compiled when they are first asked for. */
export class Rooms {
  private readonly opened = new Map<number, Promise<Halves>>();
  private readonly compiled: Halves[] = [];
  private readonly architectures: readonly Architecture[];

  constructor(
    private readonly runtime: Runtime,
    private readonly options: HalvesOptions,
  ) {
    this.architectures = roomsOf(options);
  }

  halves(room: number): Promise<Halves> {
    const found = this.opened.get(room) ?? this.compile(room);
    this.opened.set(room, found);
    return found;
  }

  private async compile(room: number): Promise<Halves> {
    const { microBatch, size, frozen } = this.options;
    const graphs = buildTraining(this.architectures[room], microBatch, size, frozen);
    const forward = await compileGraph(this.runtime, graphs.forward);
    const halves = { graphs, forward, backward: await compileGraph(this.runtime, graphs.backward) };
    this.compiled.push(halves);
    return halves;
  }

  dispose(): void {
    for (const { forward, backward } of this.compiled) {
      forward.dispose();
      backward.dispose();
    }
  }
}

/** What one micro-batch in flight reads and writes; what a room has like the first is in the memory of the first. */
export function buffersOf(runtime: Runtime, { graphs }: Halves, first?: LaneBuffers): LaneBuffers {
  const { forward, backward, weights } = graphs;
  const elsewhere = (name: string) => weights.declarations.has(name) || name.startsWith(GRADIENT_PREFIX);
  return new LaneBuffers(runtime, [forward, backward], elsewhere, first);
}
