/** @file Where Swin Transformer's windows lie on a grid of tokens: index arithmetic, no graphs. */

import { range } from "../core/range.js";
import type { Grid } from "../core/tensor-data.js";

const windowsOf = ([height, width]: Grid, size: number): Grid => [Math.ceil(height / size), Math.ceil(width / size)];

/** Number of windows that cover a grid padded to multiples of their side. */
export function windowCount(grid: Grid, size: number): number {
  const [rows, columns] = windowsOf(grid, size);
  return rows * columns;
}

/**
 * The row and column in the padded grid, rolled by `-shift`, of each position: windows row-major, positions in them
 * too.
 */
function positions(grid: Grid, size: number): Grid[] {
  const [rows, columns] = windowsOf(grid, size);
  return range(rows * columns * size * size).map((i) => {
    const [window, inside] = [Math.floor(i / size ** 2), i % size ** 2];
    return [
      Math.floor(window / columns) * size + Math.floor(inside / size),
      (window % columns) * size + (inside % size),
    ];
  });
}

/**
 * Token that each position [windows * size^2] holds once the grid is padded to multiples of `size` and rolled by
 * `-shift` along both axes; height * width for padding.
 */
export function windowTokens(grid: Grid, size: number, shift: number): number[] {
  const [height, width] = grid;
  const [rows, columns] = windowsOf(grid, size);
  return positions(grid, size).map(([y, x]) => {
    const [row, column] = [(y + shift) % (rows * size), (x + shift) % (columns * size)];
    return row < height && column < width ? row * width + column : height * width;
  });
}

/**
 * Region of each position [windows * size^2] of the rolled grid: positions of one window that lie in different regions
 * were no neighbours before the roll, and do not attend to each other.
 */
export function windowRegions(grid: Grid, size: number, shift: number): number[] {
  const ends = windowsOf(grid, size).map((count) => count * size);
  const band = (at: number, end: number) => Number(at >= end - size) + Number(at >= end - shift);
  return positions(grid, size).map(([y, x]) => 3 * band(y, ends[0]) + band(x, ends[1]));
}

/** Row of the bias table, (2 size - 1)^2 rows, for each query and key of a window [size^2, size^2]. */
export function relativePositions(size: number): number[] {
  const width = 2 * size - 1;
  const cells = range(size * size).map((i) => Math.floor(i / size) * width + (i % size));
  const middle = (size - 1) * width + size - 1;
  return cells.flatMap((query) => cells.map((key) => query - key + middle));
}
