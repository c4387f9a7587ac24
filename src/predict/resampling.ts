/** @file Bilinear resampling along one axis as a banded matrix, and how an axis is cut into tiles of fixed size. */

import { interpolation } from "../core/resample.js";
import { floats, type TensorData } from "../core/tensor-data.js";

/** A linear map along an axis: output i is the sum over k < width of weights[i * width + k] * input[first[i] + k]. */
export interface Band {
  readonly from: number;
  readonly to: number;
  readonly width: number;
  readonly first: Int32Array;
  readonly weights: Float64Array;
}

/** `interpolation` as a linear map. */
export function bilinear(from: number, to: number): Band {
  const { low, fraction } = interpolation(from, to);
  const weights = new Float64Array(2 * to);
  fraction.forEach((f, i) => {
    weights.set([1 - f, f], 2 * i);
  });
  return { from, to, width: 2, first: low, weights };
}

/**
 * `outer` after `inner`, of whose outputs it reads the first `outer.from`: resampling, cropping and resampling in one.
 */
export function compose(outer: Band, inner: Band): Band {
  const rows = Array.from({ length: outer.to }, (_, i) => {
    const row = new Map<number, number>();
    for (let k = 0; k < outer.width; k++) {
      const [middle, weight] = [outer.first[i] + k, outer.weights[i * outer.width + k]];
      if (weight === 0) continue;
      for (let l = 0; l < inner.width; l++) {
        const value = weight * inner.weights[middle * inner.width + l];
        const at = inner.first[middle] + l;
        if (value !== 0) row.set(at, (row.get(at) ?? 0) + value);
      }
    }
    return row;
  });
  const first = Int32Array.from(rows, (row) => Math.min(...row.keys()));
  const width = Math.max(...rows.map((row, i) => Math.max(...row.keys()) - first[i] + 1));
  const weights = new Float64Array(rows.length * width);
  rows.forEach((row, i) => {
    for (const [at, value] of row) weights[i * width + at - first[i]] = value;
  });
  return { from: inner.from, to: outer.to, width, first, weights };
}

/** One past the last input that output i reads with a weight. */
function endOf({ width, first, weights }: Band, i: number): number {
  let k = width;
  while (k > 1 && weights[i * width + k - 1] === 0) k--;
  return first[i] + k;
}

/** Consecutive outputs of an axis, and the stretch of inputs that they read. */
export interface Stretch {
  /** First output, and how many. */
  readonly start: number;
  readonly count: number;
  /** First input. */
  readonly first: number;
}

/** Cuts the outputs into stretches of at most `outputs` that read at most `inputs` inputs each. */
export function cut(band: Band, outputs: number, inputs: number): Stretch[] {
  const stretches: Stretch[] = [];
  for (let start = 0; start < band.to; ) {
    const first = band.first[start];
    let end = start + 1;
    while (end < band.to && end - start < outputs && endOf(band, end) - first <= inputs) end++;
    stretches.push({ start, count: end - start, first });
    start = end;
  }
  return stretches;
}

/** The rows of a stretch as a matrix [outputs, inputs], zero where the stretch is shorter. */
export function matrixOf(
  band: Band,
  { start, count, first }: Stretch,
  outputs: number,
  inputs: number,
): TensorData<"float32"> {
  const matrix = floats([outputs, inputs], new Float32Array(outputs * inputs));
  for (let i = 0; i < count; i++) {
    for (let k = 0; k < band.width; k++) {
      const weight = band.weights[(start + i) * band.width + k];
      if (weight !== 0) matrix.data[i * inputs + band.first[start + i] + k - first] = weight;
    }
  }
  return matrix;
}
