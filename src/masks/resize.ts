/** @file Segmentations at another size, for pictures: nearest neighbours, as labels cannot be mixed. */

import { decodeMask, encodeMask, type RunLengths } from "./run-lengths.js";
import type { PanopticMap, SemanticMap } from "./segmentation.js";

/** Row-major values at another size: the value under the centre of each new pixel. */
export function resizeLabels<T extends Uint8Array | Uint16Array | Uint32Array>(
  labels: T,
  from: { readonly width: number; readonly height: number },
  width: number,
  height: number,
): T {
  const resized = new (labels.constructor as new (length: number) => T)(width * height);
  const columns = Uint32Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * from.width) / width));
  for (let y = 0, to = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * from.height) / height) * from.width;
    for (let x = 0; x < width; x++) resized[to++] = labels[row + columns[x]];
  }
  return resized;
}

export function resizeSemantic(map: SemanticMap, width: number, height: number): SemanticMap {
  return { width, height, labels: resizeLabels(map.labels, map, width, height) };
}

/** Areas stay those of the original. */
export function resizePanoptic(map: PanopticMap, width: number, height: number): PanopticMap {
  return { width, height, ids: resizeLabels(map.ids, map, width, height), segments: map.segments };
}

export function resizeMask(mask: RunLengths, width: number, height: number): RunLengths {
  return encodeMask(resizeLabels(decodeMask(mask), mask, width, height), width, height);
}
