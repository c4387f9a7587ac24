/** @file Unions, intersections and overlaps of masks, computed on their runs. */

import { InputError } from "../core/errors.js";
import { type Box, boundingBox, maskArea, type RunLengths } from "./run-lengths.js";

function checkSameSize(a: RunLengths, b: RunLengths): void {
  if (a.width === b.width && a.height === b.height) return;
  const expected = `masks of one size (${a.width}x${a.height})`;
  throw new InputError({ where: "masks", expected, found: `${b.width}x${b.height}` });
}

/** Pixels inside both masks. */
export function intersectionArea(a: RunLengths, b: RunLengths): number {
  checkSameSize(a, b);
  return sharedPixels(a.counts, b.counts);
}

/**
 * Overlap of two lists of runs: of the two current inside runs, the one that ends first is followed by its successor.
 */
function sharedPixels(a: Uint32Array, b: Uint32Array): number {
  let [i, j, area] = [0, 0, 0];
  let [startA, endA, startB, endB] = [0, 0, 0, 0];
  while (true) {
    if (endA <= endB) {
      if (i + 1 >= a.length) return area;
      startA = endA + a[i++];
      endA = startA + a[i++];
    } else {
      if (j + 1 >= b.length) return area;
      startB = endB + b[j++];
      endB = startB + b[j++];
    }
    const overlap = Math.min(endA, endB) - Math.max(startA, startB);
    if (overlap > 0) area += overlap;
  }
}

/**
 * Runs without empty ones in between, from places at which inside and outside change, in rising order; two at one place
 * cancel.
 */
export function fromBoundaries(boundaries: ArrayLike<number>, width: number, height: number): RunLengths {
  const size = width * height;
  const changes: number[] = [];
  for (let i = 0; i < boundaries.length; i++) {
    if (boundaries[i] >= size) break;
    if (changes.at(-1) === boundaries[i]) changes.pop();
    else changes.push(boundaries[i]);
  }
  changes.push(size);
  return { width, height, counts: Uint32Array.from(changes, (change, i) => change - (i > 0 ? changes[i - 1] : 0)) };
}

/**
 * Pixels that lie in at least `needed` of the masks, of which there is at least one: a sweep over where runs begin and
 * end.
 */
function coveredBy(masks: readonly RunLengths[], needed: number): RunLengths {
  const [{ width, height }] = masks;
  const [starts, ends]: [number[], number[]] = [[], []];
  for (const mask of masks) {
    checkSameSize(masks[0], mask);
    let at = 0;
    for (let i = 0; i + 1 < mask.counts.length; i += 2) {
      starts.push(at + mask.counts[i]);
      at += mask.counts[i] + mask.counts[i + 1];
      ends.push(at);
    }
  }
  const [begin, end] = [Float64Array.from(starts).sort(), Float64Array.from(ends).sort()];
  const boundaries: number[] = [];
  let depth = 0;
  for (let i = 0, j = 0; j < end.length; ) {
    // A run that begins where another ends comes first, so that the two are one.
    if (i < begin.length && begin[i] <= end[j]) {
      if (++depth === needed) boundaries.push(begin[i]);
      i++;
    } else {
      if (depth-- === needed) boundaries.push(end[j]);
      j++;
    }
  }
  return fromBoundaries(boundaries, width, height);
}

/** The mask in a larger image, its upper left pixel at `left`, `top`. @throws InputError unless it lies within */
export function embedMask(
  mask: RunLengths,
  { left, top }: { readonly left: number; readonly top: number },
  width: number,
  height: number,
): RunLengths {
  if (left < 0 || top < 0 || left + mask.width > width || top + mask.height > height) {
    const found = `${mask.width}x${mask.height} at (${left}, ${top})`;
    throw new InputError({ where: "mask", expected: `a part of ${width}x${height}`, found });
  }
  const boundaries: number[] = [];
  let start = 0;
  for (let i = 0; i + 1 < mask.counts.length; i += 2) {
    start += mask.counts[i];
    const end = start + mask.counts[i + 1];
    // A run may go on over several columns; in the larger image others lie between.
    while (start < end) {
      const column = Math.floor(start / mask.height);
      const stop = Math.min(end, (column + 1) * mask.height);
      const shift = (left + column) * height + top - column * mask.height;
      boundaries.push(start + shift, stop + shift);
      start = stop;
    }
  }
  return fromBoundaries(boundaries, width, height);
}

/** Pixels inside any of the masks, of which there is at least one. */
export const unionOf = (masks: readonly RunLengths[]): RunLengths => coveredBy(masks, 1);

/** Pixels inside all of the masks, of which there is at least one. */
export const intersectionOf = (masks: readonly RunLengths[]): RunLengths => coveredBy(masks, masks.length);

function boxOverlap([x, y, width, height]: Box, [u, v, otherWidth, otherHeight]: Box): number {
  const across = Math.min(x + width, u + otherWidth) - Math.max(x, u);
  const down = Math.min(y + height, v + otherHeight) - Math.max(y, v);
  return across > 0 && down > 0 ? across * down : 0;
}

/**
 * Intersection over union; over a crowd, intersection over the detection's own area. 0 where there is no intersection.
 */
const ratio = (shared: number, detected: number, truth: number, crowd: boolean) =>
  shared === 0 ? 0 : shared / (crowd ? detected : detected + truth - shared);

/**
 * IoU of every detection with every ground-truth mask, as pycocotools: of a crowd, the share of the detection inside
 * it.
 * @returns one row a detection
 */
export function maskIous(
  detections: readonly RunLengths[],
  truths: readonly RunLengths[],
  isCrowd: (truth: number) => boolean = () => false,
): Float64Array[] {
  const measured = truths.map((mask) => ({ mask, area: maskArea(mask), box: boundingBox(mask) }));
  return detections.map((detection) => {
    const [area, box] = [maskArea(detection), boundingBox(detection)];
    return Float64Array.from(measured, (truth, t) => {
      checkSameSize(truth.mask, detection);
      if (boxOverlap(box, truth.box) === 0) return 0;
      return ratio(sharedPixels(detection.counts, truth.mask.counts), area, truth.area, isCrowd(t));
    });
  });
}

/** The same for boxes. */
export function boxIous(
  detections: readonly Box[],
  truths: readonly Box[],
  isCrowd: (truth: number) => boolean = () => false,
): Float64Array[] {
  return detections.map((box) =>
    Float64Array.from(truths, (truth, t) =>
      ratio(boxOverlap(box, truth), box[2] * box[3], truth[2] * truth[3], isCrowd(t)),
    ),
  );
}
