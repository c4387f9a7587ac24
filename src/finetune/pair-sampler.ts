/** @file The points at which matched pairs are compared: uncertain ones and uniform ones (PointRend). */

import {
  borderedMap,
  fillBordered,
  mostUncertain,
  type PointOptions,
  pointCounts,
  sampleBordered,
  sampleMask,
  selectionScratch,
} from "../losses/points.js";
import type { CriterionFrame, PointDraws } from "./criterion-options.js";

/** A query and the object that was assigned to it. */
export interface Pair {
  /** Within the micro-batch. */
  readonly image: number;
  /** Number of the pair within its image. */
  readonly pair: number;
  /** image * queries + query: the row of the pair's mask logits. */
  readonly row: number;
  /** The object's mask. */
  readonly mask: Uint8Array;
}

export class PairSampler {
  /** Points of the i-th pair of the last call, (x, y) in [0, 1). */
  readonly points: readonly Float32Array[];
  private readonly counts;
  private readonly candidates: Float32Array;
  private readonly candidateLogits: Float32Array;
  private readonly scratch = selectionScratch();
  private readonly map;

  constructor(
    private readonly frame: CriterionFrame,
    options: PointOptions,
    /** Pairs that are sampled at once. */
    most: number,
  ) {
    this.counts = pointCounts(options);
    this.candidates = new Float32Array(2 * this.counts.candidates);
    this.candidateLogits = new Float32Array(this.counts.candidates);
    this.points = Array.from({ length: most }, () => new Float32Array(2 * options.points));
    this.map = borderedMap(frame.maskSize[1], frame.maskSize[0]);
  }

  /**
   * Chooses the points of up to `most` pairs of an output, whose mask logits are rows of `masks`, and samples there:
   * the i-th pair's P logits and labels go to `logits` and `labels` from i * P on.
   */
  sample(
    output: number,
    pairs: readonly Pair[],
    masks: Float32Array,
    draws: PointDraws,
    { logits, labels }: { logits: Float32Array; labels: Float32Array },
  ): void {
    const { size, maskSize } = this.frame;
    const { candidates, uncertain, uniform } = this.counts;
    const count = uncertain + uniform;
    pairs.forEach(({ image, pair, row, mask }, i) => {
      const points = this.points[i];
      fillBordered(this.map, masks, row * maskSize[0] * maskSize[1]);
      draws.candidates(output, image, pair, this.candidates);
      sampleBordered(this.map, this.candidates, candidates, this.candidateLogits);
      const chosen = mostUncertain(this.candidateLogits, candidates, uncertain, this.scratch);
      for (let k = 0; k < uncertain; k++) {
        points[2 * k] = this.candidates[2 * chosen[k]];
        points[2 * k + 1] = this.candidates[2 * chosen[k] + 1];
      }
      draws.uniform(output, image, pair, points.subarray(2 * uncertain));
      sampleBordered(this.map, points, count, logits, i * count);
      sampleMask({ width: size[1], height: size[0], data: mask }, points, count, labels, i * count);
    });
  }
}
