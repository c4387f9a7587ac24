/** @file The optimiser on a device: gradients summed in a fixed order, clipped as a whole, AdamW and EMA in place. */

import { toOnnx } from "../onnx/emit.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import {
  type AdamWOptions,
  buildAccumulation,
  buildSquares,
  buildUpdate,
  nextName,
  type ParameterGroup,
  roleName,
  scalarData,
  scalarInputs,
  scalarNames,
  type UpdatedTensor,
  type UpdateRole,
  updateScalars,
} from "./adamw.js";
import type { ParameterLayout, ParameterValues, TensorMap } from "./parameter-layout.js";

/** What an update reads and writes. */
export interface OptimizerState {
  weights: ParameterValues;
  means: ParameterValues;
  squares: ParameterValues;
  /** EMA of those parameters that the target holds. */
  averages: ParameterValues;
}

export interface UpdateNumbers {
  /** Number of this update, from 1. */
  t: number;
  groups: readonly ParameterGroup[];
  /** Micro-batches whose gradients were summed. */
  microBatches: number;
  /** Largest norm of the whole gradient, or null. */
  clip: number | null;
  tau: number;
}

interface Programs {
  update: Program;
  squares: Program;
  accumulation: Program;
}

/** Some segments that one run of each program handles. */
interface Job {
  programs: Programs;
  /** Segments by the name that the programs know them by. */
  slots: readonly (UpdatedTensor & { slot: string })[];
  /** Inputs of the update besides the segments. */
  scalars: Readonly<Record<string, DeviceTensor<"float32">>>;
  sums: DeviceTensor<"float32">;
}

/** Segments that one run handles: starting a run takes as long as some of them. */
const RUN_LENGTHS = [64, 8, 1];

/** Neighbours that are updated alike, in runs of the lengths above. */
function runsOf(segments: readonly UpdatedTensor[]): UpdatedTensor[][] {
  const runs: UpdatedTensor[][] = [];
  for (let start = 0; start < segments.length; start += runs.at(-1)!.length) {
    const { group, averaged } = segments[start];
    const end = segments.findIndex((s, i) => i > start && (s.group !== group || s.averaged !== averaged));
    const alike = (end < 0 ? segments.length : end) - start;
    runs.push(segments.slice(start, start + RUN_LENGTHS.find((length) => length <= alike)!));
  }
  return runs;
}

export class Optimizer {
  private constructor(
    private readonly options: AdamWOptions,
    private readonly jobs: readonly Job[],
    private readonly scalars: ReadonlyMap<string, DeviceTensor<"float32">>,
  ) {}

  static async create(
    runtime: Runtime,
    layout: ParameterLayout,
    groupCount: number,
    options: AdamWOptions,
  ): Promise<Optimizer> {
    const scalars = new Map(scalarNames(groupCount).map((name) => [name, runtime.allocate("float32", [])]));
    const compile = async (slots: readonly UpdatedTensor[], groups: number): Promise<Programs> => ({
      update: await runtime.compile(toOnnx(buildUpdate(slots, groups, options)), { name: "update" }),
      squares: await runtime.compile(toOnnx(buildSquares(slots)), { name: "gradient squares" }),
      accumulation: await runtime.compile(toOnnx(buildAccumulation(slots)), { name: "gradient accumulation" }),
    });
    const sums = (count: number) => runtime.allocate("float32", [count]);
    if (!layout.uniform) {
      const programs = await compile(layout.segments, groupCount);
      const slots = layout.segments.map((segment) => ({ ...segment, slot: segment.name }));
      const all = Object.fromEntries(scalars);
      return new Optimizer(options, [{ programs, slots, scalars: all, sums: sums(slots.length) }], scalars);
    }
    // A program serves all runs of as many segments that are averaged, or not; the group decides which scalars it is
    // fed.
    const compiled = new Map<string, Programs>();
    const jobs: Job[] = [];
    for (const run of runsOf(layout.segments)) {
      const { averaged, shape, group } = run[0];
      const slots = run.map((segment, i) => ({ ...segment, slot: `segment ${i}` }));
      const key = `${averaged} ${run.length}`;
      const alike = slots.map(({ slot }) => ({ name: slot, shape, group: 0, averaged }));
      const programs = compiled.get(key) ?? (await compile(alike, 1));
      compiled.set(key, programs);
      const fed = scalarNames(1).map((name) => [name, scalars.get(name.replace(/\.0$/, `.${group}`))]);
      jobs.push({ programs, slots, scalars: Object.fromEntries(fed), sums: sums(run.length) });
    }
    return new Optimizer(options, jobs, scalars);
  }

  /** sum <- sum + addend, segment by segment. */
  async accumulate(sum: ParameterValues, addend: ParameterValues): Promise<void> {
    await this.each(({ programs, slots }) => {
      const feeds: Record<string, DeviceTensor> = {};
      const fetches: Record<string, DeviceTensor> = {};
      for (const { name, slot } of slots) {
        feeds[roleName("gradient", slot)] = get(sum.segments, name);
        feeds[`addend.${slot}`] = get(addend.segments, name);
        fetches[nextName("gradient", slot)] = get(sum.segments, name);
      }
      return programs.accumulation.run(feeds, fetches);
    });
  }

  /** L2 norm of the mean gradient, before any clipping; NaN or infinite when one of them is. */
  async gradientNorm(gradients: ParameterValues, microBatches: number): Promise<number> {
    await this.each(({ programs, slots, sums }) => {
      const feeds = slots.map(({ name, slot }) => [roleName("gradient", slot), get(gradients.segments, name)]);
      return programs.squares.run(Object.fromEntries(feeds), { squares: sums });
    });
    // Summed in the order of the segments, in float64.
    let total = 0;
    for (const { sums } of this.jobs) for (const value of (await sums.read()).data) total += value;
    return Math.sqrt(total) / microBatches;
  }

  /** One AdamW step in place. `norm` is that of `gradientNorm`; torch's clipping: min(1, clip / (norm + 1e-6)). */
  async update(state: OptimizerState, gradients: ParameterValues, norm: number, numbers: UpdateNumbers): Promise<void> {
    const { t, groups, microBatches, clip, tau } = numbers;
    const coefficient = clip === null ? 1 : Math.min(1, clip / (norm + 1e-6));
    const scalars = updateScalars(this.options, t, groups, { gradientScale: coefficient / microBatches, tau });
    for (const [name, value] of scalarInputs(scalars, this.options))
      await this.scalars.get(name)?.write(scalarData(value));
    await this.each(({ programs, slots, scalars: fed }) => {
      const feeds: Record<string, DeviceTensor> = { ...fed };
      const fetches: Record<string, DeviceTensor> = {};
      for (const { name, slot, averaged } of slots) {
        feeds[roleName("gradient", slot)] = get(gradients.segments, name);
        const replace = (role: UpdateRole, values: ParameterValues) => {
          feeds[roleName(role, slot)] = get(values.segments, name);
          fetches[nextName(role, slot)] = get(values.segments, name);
        };
        replace("weight", state.weights);
        replace("mean", state.means);
        replace("square", state.squares);
        if (averaged) replace("average", state.averages);
      }
      return programs.update.run(feeds, fetches);
    });
  }

  dispose(): void {
    for (const programs of new Set(this.jobs.map((job) => job.programs))) {
      for (const program of Object.values(programs) as Program[]) program.dispose();
    }
    for (const { sums } of this.jobs) sums.dispose();
    for (const scalar of this.scalars.values()) scalar.dispose();
  }

  /**
   * Runs a job for every segment; the runtime keeps all its cores busy with them, and no number depends on how many.
   */
  private async each(run: (job: Job) => Promise<void>): Promise<void> {
    await Promise.all(this.jobs.map(run));
  }
}

function get(tensors: TensorMap, name: string): DeviceTensor<"float32"> {
  const tensor = tensors.get(name);
  if (!tensor) throw new RangeError(`optimizer: no memory for ${name}`);
  return tensor;
}
