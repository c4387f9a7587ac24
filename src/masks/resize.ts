/** @file Segmentations at another size, for pictures: nearest neighbours, as labels cannot be mixed. */

import type { Size } from "../core/image.js";
import { resizeNearest } from "../core/resample.js";
import { decodeMask, encodeMask, type RunLengths } from "./run-lengths.js";
import type { PanopticMap, SemanticMap } from "./segmentation.js";

export function resizeSemantic(map: SemanticMap, size: Size): SemanticMap {
  return { ...size, labels: resizeNearest(map.labels, map, size) };
}

/** Areas stay those of the original. */
export function resizePanoptic(map: PanopticMap, size: Size): PanopticMap {
  return { ...size, ids: resizeNearest(map.ids, map, size), segments: map.segments };
}

export function resizeMask(mask: RunLengths, size: Size): RunLengths {
  return encodeMask(resizeNearest(decodeMask(mask), mask, size), size.width, size.height);
}
