/** @file Labels out of other labels: of panoptic maps, of objects, and objects of a map of their ids. */

import { shapeMask } from "../../masks/polygons.js";
import { encodeSegments, maskArea, paintMask } from "../../masks/run-lengths.js";
import {
  IGNORED,
  type Instance,
  type InstanceSet,
  type PanopticMap,
  type SegmentationClass,
  type SemanticMap,
} from "../../masks/segmentation.js";
import type { LabelMap } from "./label-map.js";

/** Pixels of each id. */
export function countIds(ids: LabelMap["ids"]): Map<number, number> {
  const counts = new Map<number, number>();
  for (let start = 0, end = 0; start < ids.length; start = end) {
    const id = ids[start];
    end = start + 1;
    while (end < ids.length && ids[end] === id) end++;
    counts.set(id, (counts.get(id) ?? 0) + end - start);
  }
  return counts;
}

/** The label of each pixel's segment, crowds included (detectron2's prepare_panoptic_fpn.py); void is IGNORED. */
export function semanticOfPanoptic({ width, height, ids, segments }: PanopticMap): SemanticMap {
  const labelOf = new Map(segments.map(({ id, label }) => [id, label]));
  const labels = new Uint16Array(ids.length);
  let [last, label] = [0, IGNORED];
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] !== last) {
      last = ids[i];
      label = labelOf.get(last) ?? IGNORED;
    }
    labels[i] = label;
  }
  return { width, height, labels };
}

/** The segments of things as objects. Those without a pixel left are no objects. */
export function instancesOfPanoptic(map: PanopticMap, classes: readonly SegmentationClass[]): InstanceSet {
  const { width, height, ids, segments } = map;
  const masks = encodeSegments(ids, width, height);
  const instances = segments.flatMap(({ id, label, area, crowd }): Instance[] => {
    const shape = masks.get(id);
    return shape && classes[label].isThing ? [{ id, label, area, crowd, shape }] : [];
  });
  return { width, height, instances };
}

/** One object an id, by rising id; 0 is background. */
export function instancesOfIds({ width, height, ids }: LabelMap, label: number): InstanceSet {
  const masks = [...encodeSegments(ids, width, height)].sort(([a], [b]) => a - b);
  const instances = masks.map(([id, shape]) => ({ id, label, area: maskArea(shape), crowd: false, shape }));
  return { width, height, instances };
}

/**
 * The label of each pixel's object, of the smallest where several lie over each other; `background` where there is
 * none.
 */
export function semanticOfInstances({ width, height, instances }: InstanceSet, background: number): SemanticMap {
  const labels = new Uint16Array(width * height).fill(background);
  for (const { shape, label } of [...instances].sort((a, b) => b.area - a.area)) {
    paintMask(shapeMask(shape, width, height), labels, label);
  }
  return { width, height, labels };
}
