/**
 * @file Mask and dice loss of pairs of queries and objects at every pixel of the network's input, and their gradient.
 */

import { sizeOf } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { Graph } from "../graph/graph.js";
import { resizeBilinear } from "../nn/layers.js";
import type { Program, Runtime } from "../runtime/contract.js";
import type { CriterionFrame, CriterionOptions } from "./criterion-options.js";
import { hostMemory, hostValues, upload } from "./host-memory.js";
import { type LossSums, type MaskLosses, PairRuns, type PredictedMasks, pairLosses } from "./pair-losses.js";
import type { Pair } from "./pair-sampler.js";

/** Pairs whose losses one run computes: maps of 1024 x 1024 pixels are 4 MB each, several times over. */
const PAIRS = 4;

/**
 * Mask logits [PAIRS, h, w], made as large as the input, and labels [PAIRS, H, W], scale = 1 / masks -> as
 * `pairLosses`.
 */
export function buildPixelLosses({ size, maskSize, comparison }: CriterionFrame, { weights }: CriterionOptions): Graph {
  const graph = new Graph("mask loss");
  const masks = graph.input("logits", "float32", [PAIRS, ...maskSize]);
  const labels = graph.input("labels", "float32", [PAIRS, ...size]);
  const flat = (maps: typeof masks) => g.reshape(maps, [PAIRS, size[0] * size[1]]);
  const logits = flat(resizeBilinear(masks, size));
  pairLosses(graph, { logits, labels: flat(labels), differentiated: masks }, comparison, weights);
  return graph;
}

/** Losses of pairs whose masks are compared at pixels. */
export class PixelLosses implements MaskLosses {
  private readonly runs: PairRuns;
  /** Mask logits of a query. */
  private readonly area: number;

  constructor(runtime: Runtime, program: Program, { size, maskSize }: CriterionFrame) {
    this.runs = new PairRuns(runtime, program, { logits: [PAIRS, ...maskSize], labels: [PAIRS, ...size] });
    this.area = sizeOf(maskSize);
  }

  async compute(
    { masks, gradient: out }: PredictedMasks,
    pairs: readonly Pair[],
    normaliser: number,
  ): Promise<LossSums> {
    const values = await hostValues(masks);
    const gradient = hostMemory(out).fill(0);
    const rowOf = (all: Float32Array, row: number) => all.subarray(row * this.area, (row + 1) * this.area);
    const sums = await this.runs.compute(
      pairs,
      normaliser,
      (some, { logits, labels }) => {
        some.forEach(({ row, mask }, i) => {
          logits.set(rowOf(values, row), i * this.area);
          labels.set(mask, i * mask.length);
        });
      },
      ({ row }, i, gradients) => gradient.set(rowOf(gradients, i), row * this.area),
    );
    await upload(out, gradient);
    return sums;
  }

  dispose(): void {
    this.runs.dispose();
  }
}
