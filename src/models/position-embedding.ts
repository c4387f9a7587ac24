/** @file Sine position embedding of DETR (PositionEmbeddingSine), as Mask2Former uses it. */

import type { Grid, TensorData } from "../core/tensor-data.js";

const TEMPERATURE = 10000;
/** The last coordinate of an axis, and what keeps an axis without positions from a division by zero. */
export const SCALE = 2 * Math.PI;
export const EPSILON = 1e-6;

/** What coordinates are divided by in each channel of a half; even channels take the sine, odd ones the cosine. */
export const sinePeriods = (half: number): number[] =>
  Array.from({ length: half }, (_, i) => TEMPERATURE ** ((2 * Math.floor(i / 2)) / half));

export interface SineOptions {
  /** Divide coordinates by the size, so that the last row and column are at 2 pi. */
  normalize?: boolean;
  /** Row-major h * w: whether a position is padding. Coordinates count only the others. */
  padding?: readonly boolean[];
}

/** Embedding of each position of an h x w grid: [h * w, channels], the first half from y, the second from x. */
export function sinePositions(
  [h, w]: Grid,
  channels: number,
  { normalize = true, padding }: SineOptions = {},
): TensorData<"float32"> {
  const half = channels / 2;
  const periods = sinePeriods(half);
  const kept = (row: number, column: number) => (padding?.[row * w + column] ? 0 : 1);
  // 1-based count of the positions up to this one, along each axis.
  const y = new Float32Array(h * w);
  const x = new Float32Array(h * w);
  for (let row = 0; row < h; row++) {
    for (let column = 0; column < w; column++) {
      const i = row * w + column;
      y[i] = kept(row, column) + (row > 0 ? y[i - w] : 0);
      x[i] = kept(row, column) + (column > 0 ? x[i - 1] : 0);
    }
  }
  const scaled = (count: number, total: number) => (normalize ? (count / (total + EPSILON)) * SCALE : count);
  const known = new Map<number, Float32Array>(); // a row shares its y, a column its x
  const waves = (coordinate: number): Float32Array => {
    let found = known.get(coordinate);
    if (!found) {
      found = Float32Array.from(periods, (period, i) => (i % 2 === 0 ? Math.sin : Math.cos)(coordinate / period));
      known.set(coordinate, found);
    }
    return found;
  };
  const data = new Float32Array(h * w * channels);
  for (let i = 0; i < h * w; i++) {
    const [row, column] = [Math.floor(i / w), i % w];
    data.set(waves(scaled(y[i], y[(h - 1) * w + column])), i * channels);
    data.set(waves(scaled(x[i], x[row * w + w - 1])), i * channels + half);
  }
  return { dtype: "float32", shape: [h * w, channels], data };
}
