/** @file A small compiled graph that is run many times: one set of buffers for each core. */

import pLimit from "p-limit";
import { sizeOf } from "../core/tensor-data.js";
import { type Graph, inputName } from "../graph/graph.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";

/** The values of float32 tensors by name. */
export type Buffers = Readonly<Record<string, Float32Array>>;

export interface Pool {
  /**
   * Runs the graph once for each job, as many at once as there are cores. `fill` writes all inputs; `take` reads the
   * outputs, which are valid until it returns. Jobs end in any order.
   */
  run<Job>(
    jobs: readonly Job[],
    fill: (job: Job, inputs: Buffers) => void,
    take: (job: Job, outputs: Buffers) => void,
  ): Promise<void>;
  /** No run may be under way. */
  dispose(): void;
}

interface Lane {
  readonly feeds: Readonly<Record<string, DeviceTensor<"float32">>>;
  readonly fetches: Readonly<Record<string, DeviceTensor<"float32">>>;
  /** What `fill` writes to: the inputs' own memory, or on a GPU memory that is copied to them. */
  readonly inputs: Buffers;
}

const mapValues = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));

function createLane(runtime: Runtime, graph: Graph): Lane {
  const allocate = (shape: readonly number[]) => runtime.allocate("float32", shape);
  const feeds = Object.fromEntries(graph.inputs.map((t) => [inputName(t), allocate(t.shape)]));
  const fetches = Object.fromEntries([...graph.outputs].map(([name, t]) => [name, allocate(t.shape)]));
  return { feeds, fetches, inputs: mapValues(feeds, ({ data, shape }) => data ?? new Float32Array(sizeOf(shape))) };
}

/** Compiles a graph whose inputs and outputs are all float32. */
export async function createPool(runtime: Runtime, graph: Graph): Promise<Pool> {
  const program = await compileGraph(runtime, graph, { frozenWeights: true });
  const lanes = Array.from({ length: runtime.cores }, () => createLane(runtime, graph));
  const free = [...lanes];
  const gate = pLimit(lanes.length);

  async function runOnce({ feeds, fetches, inputs }: Lane, fill: (inputs: Buffers) => void): Promise<Buffers> {
    fill(inputs);
    for (const [name, tensor] of Object.entries(feeds)) {
      if (!tensor.data) await tensor.write({ dtype: "float32", shape: tensor.shape, data: inputs[name] });
    }
    await program.run(feeds, fetches);
    const outputs: Record<string, Float32Array> = {};
    for (const [name, tensor] of Object.entries(fetches)) outputs[name] = tensor.data ?? (await tensor.read()).data;
    return outputs;
  }

  return {
    async run(jobs, fill, take) {
      const runs = jobs.map((job) =>
        gate(async () => {
          const lane = free.pop() as Lane;
          try {
            take(job, await runOnce(lane, (inputs) => fill(job, inputs)));
          } finally {
            free.push(lane);
          }
        }),
      );
      // All have ended before the first failure is reported: buffers may be given back then.
      const failed = (await Promise.allSettled(runs)).find(({ status }) => status === "rejected");
      if (failed) throw (failed as PromiseRejectedResult).reason;
    },
    dispose() {
      for (const { feeds, fetches } of lanes) {
        for (const tensor of [...Object.values(feeds), ...Object.values(fetches)]) tensor.dispose();
      }
      program.dispose();
    },
  };
}
