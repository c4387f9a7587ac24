/** @file Masks of known objects as cells of coarser maps: what the pilots of MP-Former see (its gen_mask_dn). */

import type { Grid } from "../core/tensor-data.js";

/** 1 for each cell of a grid in which a mask has a pixel, 0 for the others; the grid's sides divide the mask's. */
export function touchedCells(mask: Uint8Array, [height, width]: Grid, [rows, columns]: Grid): Uint8Array {
  const touched = new Uint8Array(rows * columns);
  const [tall, wide] = [height / rows, width / columns];
  for (let y = 0; y < height; y++) {
    const line = mask.subarray(y * width, (y + 1) * width);
    for (let x = line.indexOf(1); x >= 0; ) {
      const column = Math.floor(x / wide);
      touched[Math.floor(y / tall) * columns + column] = 1;
      x = line.indexOf(1, (column + 1) * wide);
    }
  }
  return touched;
}

/** How likely noise of a scale changes a cell: the more cells an object touches, the likelier. */
export const changeRate = (touched: Uint8Array, scale: number): number =>
  (scale * touched.reduce((a, b) => a + b, 0)) / touched.length;

/** Noise of one object's cells: those whose number in [0, 1) is below the rate are changed. */
export interface CellNoise {
  readonly rate: number;
  readonly random: Float32Array;
}

/**
 * Writes 0 for each cell that is open, as touched ones are, and 1 for one that is closed; noise changes the one to the
 * other.
 */
export function writeClosed(touched: Uint8Array, out: Float32Array, start: number, noise?: CellNoise): void {
  for (let i = 0; i < touched.length; i++) {
    const changed = noise !== undefined && noise.random[i] < noise.rate;
    out[start + i] = (touched[i] === 1) === changed ? 1 : 0;
  }
}
