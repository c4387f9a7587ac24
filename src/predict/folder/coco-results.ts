/** @file Predictions in COCO's forms. */

import { compressCounts } from "../../masks/coco-masks.js";
import { type Box, boundingBox, encodeSegments } from "../../masks/run-lengths.js";
import type { PanopticMap, ScoredInstance, SegmentationClass } from "../../masks/segmentation.js";

export interface SegmentInfo {
  readonly id: number;
  readonly category_id: number;
  readonly area: number;
  readonly bbox: Box;
  readonly iscrowd: 0;
}

/** `segments_info` of a panoptic annotation. */
export function segmentsInfo(
  { ids, width, height, segments }: PanopticMap,
  classes: readonly SegmentationClass[],
): SegmentInfo[] {
  const masks = encodeSegments(ids, width, height);
  return segments.map(({ id, label, area }) => ({
    id,
    category_id: classes[label].id,
    area,
    bbox: boundingBox(masks.get(id)!),
    iscrowd: 0,
  }));
}

export interface InstanceResult {
  readonly image_id: number;
  readonly category_id: number;
  readonly segmentation: { readonly size: readonly [height: number, width: number]; readonly counts: string };
  readonly bbox: Box;
  readonly score: number;
}

/** Entries of a results file, as `COCO.loadRes` reads it. */
export function instanceResults(
  imageId: number,
  instances: readonly ScoredInstance[],
  classes: readonly SegmentationClass[],
): InstanceResult[] {
  return instances.map(({ label, score, mask }) => ({
    image_id: imageId,
    category_id: classes[label].id,
    segmentation: { size: [mask.height, mask.width], counts: compressCounts(mask.counts) },
    bbox: boundingBox(mask),
    score: Number(score.toFixed(6)),
  }));
}

export function categories(classes: readonly SegmentationClass[]) {
  return classes.map(({ id, name, isThing, color }) => ({ id, name, isthing: Number(isThing), color }));
}
