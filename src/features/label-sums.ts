/**
 * @file What ridge regression needs of an image's labels. A pixel's features x are interpolated between cells, x = sum
 * of b f over cells with features f, so sums over labelled pixels become sums over cells: of x y^T = sum of f (b y)^T,
 * and of x x^T = sum of (b b') f f'^T over pairs of neighbouring cells.
 */

import type { SemanticMap } from "../masks/segmentation.js";
import { cellAxis } from "./cell-axis.js";
import type { PlacedImage } from "./label-cells.js";

/** Steps in rows and columns to the second cell of a pair; the other pairs follow by symmetry. */
export const PAIR_STEPS = [
  [0, 0],
  [0, 1],
  [1, -1],
  [1, 0],
  [1, 1],
] as const;

export interface LabelSums {
  /** Sum of b y: [cells, classes]. */
  readonly labels: Float64Array;
  /**
   * Sum of b b' for each cell and each step of PAIR_STEPS to the other cell, [5, cells], half of it for the step to
   * itself: with the transposed sums each pair is there once in either order.
   */
  readonly pairs: Float64Array;
}

/** Sums over the labelled pixels of a label map of the size that the network sees, for cells of `stride` pixels. */
export function labelSums(truth: SemanticMap, place: PlacedImage, stride: number, classes: number): LabelSums {
  const [across, down] = [place.paddedWidth / stride, place.paddedHeight / stride];
  const cells = across * down;
  const labels = new Float64Array(cells * classes);
  const pairs = new Float64Array(PAIR_STEPS.length * cells);
  const [rows, columns] = [cellAxis(truth.height, place.height, stride), cellAxis(truth.width, place.width, stride)];
  // Of one row of pixels: sums of b along it for each class, and of b b' for a cell with itself and with the next.
  const lineLabels = new Float64Array(across * classes);
  const own = new Float64Array(across);
  const next = new Float64Array(across);
  for (let y = 0; y < truth.height; y++) {
    lineLabels.fill(0);
    own.fill(0);
    next.fill(0);
    for (let x = 0; x < truth.width; x++) {
      const label = truth.labels[y * truth.width + x];
      if (label >= classes) continue;
      const cell = columns.cell[x];
      const after = columns.weight[x];
      lineLabels[cell * classes + label] += 1 - after;
      own[cell] += (1 - after) * (1 - after);
      if (after === 0) continue;
      lineLabels[(cell + 1) * classes + label] += after;
      own[cell + 1] += after * after;
      next[cell] += after * (1 - after);
    }
    const top = rows.cell[y];
    const below = rows.weight[y];
    for (const [row, weight] of [
      [top, 1 - below],
      [top + 1, below],
    ]) {
      if (weight === 0) continue;
      const start = row * across;
      for (let i = 0; i < lineLabels.length; i++) labels[start * classes + i] += weight * lineLabels[i];
      for (let u = 0; u < across; u++) {
        pairs[start + u] += 0.5 * weight * weight * own[u];
        pairs[cells + start + u] += weight * weight * next[u];
      }
    }
    const both = below * (1 - below);
    if (both === 0) continue;
    for (let u = 0; u < across; u++) {
      const at = top * across + u;
      if (u > 0) pairs[2 * cells + at] += both * next[u - 1];
      pairs[3 * cells + at] += both * own[u];
      pairs[4 * cells + at] += both * next[u];
    }
  }
  return { labels, pairs };
}
