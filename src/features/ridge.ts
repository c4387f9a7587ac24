/**
 * @file Ridge regression of labels on features in closed form, from sums over labelled pixels: memory does not depend
 * on how many there are. Features, C channels, are standardised; labels are 1 for a pixel's class and 0 for the K - 1
 * others.
 */

import { CholeskyDecomposition, Matrix } from "ml-matrix";

/** Weight of the ridge unless another one is asked for. */
export const LAMBDA = 1e-3;

/** Sums over pixels: of x x^T and of x y^T, where x [C + 1] is the pixel's features and a 1, and y [K] its label. */
export class RidgeSums {
  readonly gram: Float64Array;
  readonly cross: Float64Array;

  constructor(
    readonly channels: number,
    readonly classes: number,
  ) {
    this.gram = new Float64Array((channels + 1) ** 2);
    this.cross = new Float64Array((channels + 1) * classes);
  }

  /** Adds the sums over further pixels. */
  add(gram: Float64Array, cross: Float64Array): void {
    for (let i = 0; i < gram.length; i++) this.gram[i] += gram[i];
    for (let i = 0; i < cross.length; i++) this.cross[i] += cross[i];
  }

  /** Labelled pixels. */
  get weight(): number {
    return this.gram[this.gram.length - 1];
  }

  /** Mean of each channel, and of f f^T. */
  moments(): { mean: Float64Array; gram: Float64Array } {
    const { channels: c, gram, weight } = this;
    const mean = Float64Array.from({ length: c }, (_, i) => gram[i * (c + 1) + c] / weight);
    const second = Float64Array.from({ length: c * c }, (_, i) => gram[Math.floor(i / c) * (c + 1) + (i % c)] / weight);
    return { mean, gram: second };
  }
}

/** Scores of the classes: x W + b. */
export interface LinearMap {
  /** [C, K] */
  readonly weights: Float64Array;
  /** [K] */
  readonly bias: Float64Array;
}

/** Mean and deviation of each channel. */
export interface ChannelScale {
  readonly mean: Float64Array;
  /** Infinite where a channel does not vary, so that it counts for nothing. */
  readonly deviation: Float64Array;
}

/** Of a channel's second moment, the share below which its variance is rounding. */
const ROUNDING = 1e-12;

export function channelScale(sums: RidgeSums): ChannelScale {
  const { channels } = sums;
  const { mean, gram } = sums.moments();
  const deviation = mean.map((m, i) => {
    const second = gram[i * channels + i];
    const variance = second - m * m;
    return variance > ROUNDING * second ? Math.sqrt(variance) : Number.POSITIVE_INFINITY;
  });
  return { mean, deviation };
}

/**
 * The minimum of (1/n) sum |z W + b - y|^2 + lambda |W|^2 over W and b, with z the standardised features of n labelled
 * pixels; given for the features themselves. Zero without a labelled pixel.
 */
export function ridge(sums: RidgeSums, lambda: number): LinearMap {
  const { channels: c, classes: k, cross, weight } = sums;
  if (weight === 0) return { weights: new Float64Array(c * k), bias: new Float64Array(k) };
  const { mean, deviation } = channelScale(sums);
  const { gram } = sums.moments();
  const labels = cross.subarray(c * k).map((count) => count / weight);
  const correlation = new Matrix(c, c);
  const right = new Matrix(c, k);
  for (let i = 0; i < c; i++) {
    for (let j = 0; j <= i; j++) {
      const covariance = (gram[i * c + j] - mean[i] * mean[j]) / (deviation[i] * deviation[j]);
      correlation.set(i, j, covariance + (i === j ? lambda : 0));
      correlation.set(j, i, correlation.get(i, j)); // symmetric to the last bit
    }
    for (let j = 0; j < k; j++) {
      right.set(i, j, (cross[i * k + j] / weight - mean[i] * labels[j]) / deviation[i]);
    }
  }
  const solved = new CholeskyDecomposition(correlation).solve(right);
  const weights = Float64Array.from({ length: c * k }, (_, i) => {
    const channel = Math.floor(i / k);
    return solved.get(channel, i % k) / deviation[channel];
  });
  const bias = labels.map((share, j) => mean.reduce((sum, m, i) => sum - m * weights[i * k + j], share));
  return { weights, bias };
}
