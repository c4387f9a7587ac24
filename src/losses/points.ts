/**
 * @file Points at which the mask losses are taken (PointRend, Kirillov et al. 2020; detectron2's point_features.py).
 * Plain loops, not graphs: each pair of query and object has points of its own, so there are no rows to gather, and
 * gathering single numbers takes ONNX Runtime several times as long.
 */

import type { Size } from "../core/image.js";
import { nearestSources } from "../nn/layers.js";

export interface PointOptions {
  /** P, points at which a pair is compared. */
  readonly points: number;
  /** Candidates for the uncertain ones, as a multiple of P. */
  readonly oversampling: number;
  /** Share of P taken from the most uncertain candidates. */
  readonly importance: number;
}

/** How many random points a pair needs, and how many of its candidates are kept. */
export function pointCounts({ points, oversampling, importance }: PointOptions) {
  const uncertain = Math.trunc(importance * points);
  return { candidates: Math.trunc(points * oversampling), uncertain, uniform: points - uncertain };
}

/** A map with a border of zeros, so that bilinear sampling needs no bounds: outside counts as zero. */
export interface BorderedMap extends Size {
  /** (height + 2) * (width + 2) */
  readonly data: Float32Array;
}

export function borderedMap(width: number, height: number): BorderedMap {
  return { width, height, data: new Float32Array((width + 2) * (height + 2)) };
}

/** Copies the row-major values from `offset` of `source` on into the inside of `map`. */
export function fillBordered(map: BorderedMap, source: Float32Array, offset = 0): void {
  const { width, height, data } = map;
  for (let y = 0; y < height; y++) {
    const from = offset + y * width;
    data.set(source.subarray(from, from + width), (y + 1) * (width + 2) + 1);
  }
}

/** The upper left of the four cells that a point lies between, and how far it is from there to the others. */
function placeOf({ width, height }: BorderedMap, points: Float32Array, i: number) {
  const x = points[2 * i] * width + 0.5;
  const y = points[2 * i + 1] * height + 0.5;
  const left = x | 0;
  const top = y | 0;
  return { at: top * (width + 2) + left, fx: x - left, fy: y - top };
}

/** Bilinear values of `map` at `count` points (x, y) in [0, 1), written to `out` from `start` on. */
export function sampleBordered(
  map: BorderedMap,
  points: Float32Array,
  count: number,
  out: Float32Array,
  start = 0,
): void {
  const { width, data } = map;
  const stride = width + 2;
  for (let i = 0; i < count; i++) {
    const { at, fx, fy } = placeOf(map, points, i);
    const upper = data[at] + (data[at + 1] - data[at]) * fx;
    const lower = data[at + stride] + (data[at + stride + 1] - data[at + stride]) * fx;
    out[start + i] = upper + (lower - upper) * fy;
  }
}

/** The transpose of `sampleBordered`: adds each point's gradient to the cells that it was sampled from. */
export function scatterBordered(
  map: BorderedMap,
  points: Float32Array,
  count: number,
  gradient: Float32Array,
  start = 0,
): void {
  const { width, data } = map;
  const stride = width + 2;
  for (let i = 0; i < count; i++) {
    const { at, fx, fy } = placeOf(map, points, i);
    const lower = gradient[start + i] * fy;
    const upper = gradient[start + i] - lower;
    data[at] += upper * (1 - fx);
    data[at + 1] += upper * fx;
    data[at + stride] += lower * (1 - fx);
    data[at + stride + 1] += lower * fx;
  }
}

/** Copies the inside of `map` over the row-major values from `offset` of `target` on. */
export function readBordered(map: BorderedMap, target: Float32Array, offset = 0): void {
  const { width, height, data } = map;
  for (let y = 0; y < height; y++) {
    const from = (y + 1) * (width + 2) + 1;
    target.set(data.subarray(from, from + width), offset + y * width);
  }
}

/** A binary mask, row-major bytes 0 or 1. */
export interface ByteMask extends Size {
  readonly data: Uint8Array;
}

/** Bilinear values of a mask at `count` points; the i-th goes to `out[start + i * step]`. */
export function sampleMask(
  { width, height, data }: ByteMask,
  points: Float32Array,
  count: number,
  out: Float32Array,
  start = 0,
  step = 1,
): void {
  for (let i = 0; i < count; i++) {
    const x = points[2 * i] * width - 0.5;
    const y = points[2 * i + 1] * height - 0.5;
    const left = Math.floor(x);
    const top = Math.floor(y);
    const fx = x - left;
    const fy = y - top;
    const at = top * width + left;
    let value = 0;
    if (top >= 0) {
      if (left >= 0) value += data[at] * (1 - fx) * (1 - fy);
      if (left + 1 < width) value += data[at + 1] * fx * (1 - fy);
    }
    if (top + 1 < height) {
      if (left >= 0) value += data[at + width] * (1 - fx) * fy;
      if (left + 1 < width) value += data[at + width + 1] * fx * fy;
    }
    out[start + i * step] = value;
  }
}

/**
 * A mask at every cell of a coarser grid, by the nearest pixel (torch's "nearest": floor(i * from / to)); the i-th goes
 * to `out[start + i * step]`.
 */
export function sampleCells(
  { width, height, data }: ByteMask,
  [rows, columns]: readonly [number, number],
  out: Float32Array,
  start = 0,
  step = 1,
): void {
  const across = nearestSources(width, columns);
  let i = start;
  for (const line of nearestSources(height, rows)) {
    for (const column of across) {
      out[i] = data[line * width + column];
      i += step;
    }
  }
}

/** Exponent and 7 bits of the mantissa choose the bucket of a magnitude. */
const BUCKET_SHIFT = 16;

/** Room for `mostUncertain`. */
export interface SelectionScratch {
  readonly buckets: Uint32Array;
}
export const selectionScratch = (): SelectionScratch => ({ buckets: new Uint32Array(1 << (31 - BUCKET_SHIFT)) });

/**
 * Indices of the `wanted` values nearest to zero among the first `count`; of equals at the boundary the earlier ones.
 * Counts the magnitudes by their upper bits, then sorts only the values that share the bucket of the boundary.
 */
export function mostUncertain(
  values: Float32Array,
  count: number,
  wanted: number,
  { buckets }: SelectionScratch,
): Uint32Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, count);
  buckets.fill(0);
  for (let i = 0; i < count; i++) buckets[(bits[i] & 0x7fffffff) >>> BUCKET_SHIFT]++;
  let boundary = 0;
  let below = 0;
  while (below + buckets[boundary] < wanted) below += buckets[boundary++];
  const chosen = new Uint32Array(wanted);
  const ties: number[] = [];
  let n = 0;
  for (let i = 0; i < count; i++) {
    const bucket = (bits[i] & 0x7fffffff) >>> BUCKET_SHIFT;
    if (bucket < boundary) chosen[n++] = i;
    else if (bucket === boundary) ties.push(i);
  }
  ties.sort((a, b) => (bits[a] & 0x7fffffff) - (bits[b] & 0x7fffffff) || a - b);
  for (const i of ties.slice(0, wanted - n)) chosen[n++] = i;
  return chosen;
}
