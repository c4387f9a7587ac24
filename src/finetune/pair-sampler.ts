/** @file The points at which matched pairs are compared: uncertain ones and uniform ones (PointRend). */

import { type BorderedMap, borderedLength, fillBordered, PointKernels, readBordered } from "../losses/point-kernels.js";
import { type PointOptions, pointCounts, sampleMask } from "../losses/points.js";
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

/** Where the logits and labels of some pairs are put together. */
export interface PairMemory {
  readonly logits: Float32Array;
  readonly labels: Float32Array;
}

export class PairSampler {
  private readonly counts;
  private readonly kernels: PointKernels;
  private readonly map: BorderedMap;
  private readonly gradientMap: BorderedMap;
  private readonly candidates: Float32Array;
  private readonly candidateLogits: Float32Array;
  /** A value a point, on its way to or from the memory of the losses. */
  private readonly values: Float32Array;
  /** Points of the i-th pair of the last call of `sample`, (x, y) in [0, 1). */
  private readonly points: readonly Float32Array[];

  constructor(
    private readonly frame: CriterionFrame,
    options: PointOptions,
    /** Pairs that are sampled at once. */
    most: number,
  ) {
    this.counts = pointCounts(options);
    const { candidates } = this.counts;
    const { points } = options;
    const [height, width] = frame.maskSize;
    const area = borderedLength({ width, height });
    const ofPairs = new Array<number>(most).fill(2 * points);
    this.kernels = new PointKernels([area, area, 2 * candidates, candidates, points, ...ofPairs], candidates);
    this.map = { width, height, data: this.kernels.floats(area) };
    this.gradientMap = { width, height, data: this.kernels.floats(area) };
    this.candidates = this.kernels.floats(2 * candidates);
    this.candidateLogits = this.kernels.floats(candidates);
    this.values = this.kernels.floats(points);
    this.points = ofPairs.map((length) => this.kernels.floats(length));
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
    { logits, labels }: PairMemory,
  ): void {
    const { map, kernels, values } = this;
    const [height, width] = this.frame.size;
    const { candidates, uncertain, uniform } = this.counts;
    const count = uncertain + uniform;
    pairs.forEach(({ image, pair, row, mask }, i) => {
      const points = this.points[i];
      fillBordered(map, masks, row * map.width * map.height);
      draws.candidates(output, image, pair, this.candidates);
      kernels.sample(map, this.candidates, candidates, this.candidateLogits);
      kernels.mostUncertain(this.candidateLogits, this.candidates, candidates, uncertain, points);
      draws.uniform(output, image, pair, points.subarray(2 * uncertain));
      kernels.sample(map, points, count, values);
      logits.set(values, i * count);
      sampleMask({ width, height, data: mask }, points, count, labels, i * count);
    });
  }

  /**
   * Writes the gradient of the i-th pair's logits, from i * P on in `ofLogits`, over a row of the gradient of mask
   * logits.
   */
  spread(i: number, ofLogits: Float32Array, gradient: Float32Array, row: number): void {
    const { gradientMap: map, values } = this;
    const count = values.length;
    values.set(ofLogits.subarray(i * count, (i + 1) * count));
    map.data.fill(0);
    this.kernels.scatter(map, this.points[i], count, values);
    readBordered(map, gradient, row * map.width * map.height);
  }
}
