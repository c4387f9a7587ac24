/** @file How many points masks are compared at, and the objects' masks there. */

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
    if (top >= 0 && left >= 0 && top + 1 < height && left + 1 < width) {
      const upper = data[at] + (data[at + 1] - data[at]) * fx;
      const lower = data[at + width] + (data[at + width + 1] - data[at + width]) * fx;
      out[start + i * step] = upper + (lower - upper) * fy;
      continue;
    }
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
