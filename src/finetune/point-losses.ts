/** @file Mask and dice loss of pairs of queries and objects at points chosen for each, and their gradient. */

import { sizeOf } from "../core/tensor-data.js";
import { Graph } from "../graph/graph.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import type { CriterionFrame, CriterionOptions, PointDraws } from "./criterion-options.js";
import { hostValues, upload } from "./host-memory.js";
import { type LossSums, type MaskLosses, PairRuns, type PredictedMasks, pairLosses } from "./pair-losses.js";
import { type Pair, PairSampler } from "./pair-sampler.js";

/** Pairs whose losses one run computes. */
const PAIRS = 16;

/** Logits and labels [PAIRS, P], scale = 1 / masks -> both losses [PAIRS], and the gradient of their weighted sum. */
export function buildPointLosses({ comparison }: CriterionFrame, { points, weights }: CriterionOptions): Graph {
  const graph = new Graph("mask loss");
  const logits = graph.input("logits", "float32", [PAIRS, points]);
  const labels = graph.input("labels", "float32", [PAIRS, points]);
  pairLosses(graph, { logits, labels, differentiated: logits }, comparison, weights);
  return graph;
}

type Floats = DeviceTensor<"float32">;

/** Losses of pairs whose masks are compared at points. */
export class PointLosses implements MaskLosses {
  private readonly runs: PairRuns;
  private readonly sampler: PairSampler;
  /** Rows of each gradient of mask logits that the last step wrote to. */
  private readonly dirty = new Map<Floats, Set<number>>();

  constructor(runtime: Runtime, program: Program, frame: CriterionFrame, options: CriterionOptions) {
    const shape = [PAIRS, options.points];
    this.runs = new PairRuns(runtime, program, { logits: shape, labels: shape });
    this.sampler = new PairSampler(frame, options, PAIRS);
  }

  async compute(
    { masks, gradient: out, output }: PredictedMasks,
    pairs: readonly Pair[],
    normaliser: number,
    draws: PointDraws,
  ): Promise<LossSums> {
    const values = await hostValues(masks);
    const gradient = out.data ?? new Float32Array(values.length);
    const dirty = this.cleaned(out, gradient);
    const sums = await this.runs.compute(
      pairs,
      normaliser,
      (some, memory) => this.sampler.sample(output, some, values, draws, memory),
      ({ row }, i, gradients) => {
        this.sampler.spread(i, gradients, gradient, row);
        dirty.add(row);
      },
    );
    await upload(out, gradient);
    return sums;
  }

  dispose(): void {
    this.runs.dispose();
  }

  /** Clears what the last step wrote of a gradient; the rows that this one writes are to be added to the result. */
  private cleaned(tensor: Floats, gradient: Float32Array): Set<number> {
    const area = sizeOf(tensor.shape.slice(2));
    const dirty = this.dirty.get(tensor) ?? new Set<number>();
    for (const row of dirty) gradient.fill(0, row * area, (row + 1) * area);
    dirty.clear();
    this.dirty.set(tensor, dirty);
    return dirty;
  }
}
