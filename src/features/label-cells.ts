/** @file Labels at the resolution of feature maps: how many pixels of each class lie in each cell. */

import type { SemanticMap } from "../masks/segmentation.js";

/** Where an image lies in the network's input: resized, in its upper left corner. */
export interface PlacedImage {
  readonly width: number;
  readonly height: number;
  readonly paddedWidth: number;
  readonly paddedHeight: number;
}

/** Cell of each of `pixels` labelled pixels along an axis that was resized to `resized`, by its centre. */
function cellsOfAxis(pixels: number, resized: number, stride: number): Int32Array {
  return Int32Array.from({ length: pixels }, (_, i) => Math.floor(((i + 0.5) * resized) / (pixels * stride)));
}

/**
 * Labelled pixels of each class in the cells of a map, [cells, classes]; padding and unlabelled pixels count nowhere.
 */
export function labelCells(truth: SemanticMap, place: PlacedImage, stride: number, classes: number): Float32Array {
  const across = place.paddedWidth / stride;
  const counts = new Float32Array((place.paddedHeight / stride) * across * classes);
  const rows = cellsOfAxis(truth.height, place.height, stride);
  const columns = cellsOfAxis(truth.width, place.width, stride);
  for (let y = 0, pixel = 0; y < truth.height; y++) {
    const row = rows[y] * across;
    for (let x = 0; x < truth.width; x++, pixel++) {
      const label = truth.labels[pixel];
      if (label < classes) counts[(row + columns[x]) * classes + label]++;
    }
  }
  return counts;
}
