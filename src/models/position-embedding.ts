/** @file Sine position embedding of DETR (PositionEmbeddingSine), as Mask2Former uses it. */

import { floats, type TensorData } from "../core/tensor-data.js";

const TEMPERATURE = 10000;
const SCALE = 2 * Math.PI;
const EPSILON = 1e-6;

export interface SineOptions {
  /** Divide coordinates by the size, so that the last row and column are at 2 pi. */
  normalize?: boolean;
  /** Row-major h * w: whether a position is padding. Coordinates count only the others. */
  padding?: readonly boolean[];
}

/** Embedding of each position of an h x w grid: [h * w, channels], the first half from y, the second from x. */
export function sinePositions(
  [h, w]: readonly [number, number],
  channels: number,
  { normalize = true, padding }: SineOptions = {},
): TensorData<"float32"> {
  const half = channels / 2;
  const periods = Array.from({ length: half }, (_, i) => TEMPERATURE ** ((2 * Math.floor(i / 2)) / half));
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
  const out = new Float32Array(h * w * channels);
  const write = (offset: number, coordinate: number) => {
    for (let i = 0; i < half; i++) {
      const angle = coordinate / periods[i];
      out[offset + i] = i % 2 === 0 ? Math.sin(angle) : Math.cos(angle);
    }
  };
  for (let i = 0; i < h * w; i++) {
    const [row, column] = [Math.floor(i / w), i % w];
    write(i * channels, scaled(y[i], y[(h - 1) * w + column]));
    write(i * channels + half, scaled(x[i], x[row * w + w - 1]));
  }
  return floats([h * w, channels], out);
}
