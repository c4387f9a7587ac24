/** @file Counts of a split: pixels, objects and images of each class, and images that are out of the ordinary. */

import { shapeMask } from "../../masks/polygons.js";
import { maskArea } from "../../masks/run-lengths.js";
import {
  IGNORED,
  type InstanceSet,
  type PanopticMap,
  type SegmentationClass,
  type SemanticMap,
} from "../../masks/segmentation.js";
import { countIds } from "../datasets/derived-labels.js";

/** Queries of the published models: more objects than these cannot all be found. */
const QUERIES = 100;

export interface ClassCount {
  pixels: number;
  /** Objects or segments; crowds are not counted. */
  objects: number;
  images: number;
}

export interface Tally {
  /** In the order of the classes. */
  readonly counts: readonly ClassCount[];
  /** Images whose labels were read. */
  labelled: number;
  /** All their pixels, and those of no class. */
  pixels: number;
  void: number;
  crowds: number;
  /** Images without a labelled pixel or object. */
  readonly empty: string[];
  /** Images with more objects than queries. */
  readonly crowded: string[];
  /** Masks of one pixel, and of none. */
  onePixel: number;
  readonly noPixel: string[];
}

export function createTally(classes: readonly SegmentationClass[]): Tally {
  const counts = classes.map(() => ({ pixels: 0, objects: 0, images: 0 }));
  return { counts, labelled: 0, pixels: 0, void: 0, crowds: 0, empty: [], crowded: [], onePixel: 0, noPixel: [] };
}

/** Adds one image's areas by label: what all forms have in common. */
function addImage(tally: Tally, name: string, size: number, areas: ReadonlyMap<number, number>): void {
  let labelled = 0;
  for (const [label, area] of areas) {
    tally.counts[label].pixels += area;
    tally.counts[label].images++;
    labelled += area;
  }
  tally.labelled++;
  tally.pixels += size;
  tally.void += Math.max(0, size - labelled);
  if (areas.size === 0) tally.empty.push(name);
}

/** Adds one mask's pixels to its label, and notes masks of one pixel or none. */
function addMask(
  tally: Tally,
  name: string,
  areas: Map<number, number>,
  label: number,
  area: number,
  crowd: boolean,
): void {
  if (crowd) tally.crowds++;
  else tally.counts[label].objects++;
  if (area === 1) tally.onePixel++;
  if (area === 0) tally.noPixel.push(name);
  areas.set(label, (areas.get(label) ?? 0) + area);
}

export function addSemantic(tally: Tally, name: string, { labels }: SemanticMap): void {
  const pixels = new Float64Array(tally.counts.length);
  for (let i = 0; i < labels.length; i++) if (labels[i] !== IGNORED) pixels[labels[i]]++;
  addImage(tally, name, labels.length, new Map([...pixels.entries()].filter(([, count]) => count > 0)));
}

/** Areas are those of the masks, not of the file; objects that overlap count their pixels twice. */
export function addInstances(tally: Tally, name: string, { width, height, instances }: InstanceSet): void {
  const areas = new Map<number, number>();
  for (const { label, shape, crowd } of instances) {
    addMask(tally, name, areas, label, maskArea(shapeMask(shape, width, height)), crowd);
  }
  if (instances.filter(({ crowd }) => !crowd).length > QUERIES) tally.crowded.push(name);
  addImage(tally, name, width * height, areas);
}

export function addPanoptic(tally: Tally, name: string, { ids, segments }: PanopticMap): void {
  const pixels = countIds(ids);
  const areas = new Map<number, number>();
  for (const { id, label, crowd } of segments) addMask(tally, name, areas, label, pixels.get(id) ?? 0, crowd);
  if (segments.filter(({ crowd }) => !crowd).length > QUERIES) tally.crowded.push(name);
  addImage(tally, name, ids.length, areas);
}
