/** @file Masks as run lengths, as COCO encodes them: column by column, beginning with the pixels outside. */

import { InputError } from "../core/errors.js";
import type { Size } from "../core/image.js";
import { show } from "../core/show.js";

/** The pixels of a mask, column by column. */
export interface RunLengths extends Size {
  /** Lengths of the runs: outside, inside, outside, ...; they add up to `width * height`. */
  readonly counts: Uint32Array;
}

/** Left, top, width and height in pixels. */
export type Box = [x: number, y: number, width: number, height: number];

/** A row-major image of whole numbers. */
export type Pixels = Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array;

/** Counts are 32-bit numbers. */
const MAX_SIZE = 2 ** 32 - 1;

/**
 * Run lengths from counts that somebody else made.
 * @param where names the mask in the error, for instance a file and an annotation
 * @throws InputError when a count is no whole number from 0, they do not add up to `width * height`, or that is too
 * many
 */
export function runLengths(
  width: number,
  height: number,
  counts: ArrayLike<number>,
  where = "run lengths",
): RunLengths {
  const size = width * height;
  if (size > MAX_SIZE) {
    throw new InputError({ where, expected: `a mask of at most ${MAX_SIZE} pixels`, found: `${width}x${height}` });
  }
  // Each pixel a run, and an empty one beside each.
  if (counts.length > 2 * size + 2) {
    throw new InputError({ where, expected: `at most ${2 * size + 2} runs`, found: `${counts.length}` });
  }
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    if (!Number.isInteger(counts[i]) || counts[i] < 0) {
      throw new InputError({ where, expected: "counts that are whole numbers from 0", found: show(counts[i]) });
    }
    sum += counts[i];
  }
  if (sum !== size) {
    const expected = `counts that add up to ${size} (${width}x${height} pixels)`;
    throw new InputError({ where, expected, found: `a sum of ${sum}`, fix: "COCO writes sizes as [height, width]." });
  }
  return { width, height, counts: Uint32Array.from(counts) };
}

/** @throws InputError when `pixels` has not `width * height` elements */
function checkSize(pixels: Pixels, width: number, height: number): void {
  if (pixels.length === width * height) return;
  const expected = `${width * height} pixels (${width}x${height})`;
  throw new InputError({ where: "mask", expected, found: String(pixels.length) });
}

/** Where a pixel in row-major order, `index`, comes when they are counted column by column. */
const columnPlace = (index: number, width: number, height: number) =>
  (index % width) * height + Math.floor(index / width);

/**
 * The pixels, as row-major indices column by column, whose value is not that of the pixel before them in that order;
 * the first pixel always. Found row by row, since memory is read several times faster that way, and then put in order.
 */
function changes(pixels: Pixels, width: number): Uint32Array {
  const found: number[] = [];
  const bottom = pixels.length - width;
  // Before the top pixel of a column comes the bottom one of the column to its left.
  for (let x = 0; x < width; x++) if (x === 0 || pixels[x] !== pixels[bottom + x - 1]) found.push(x);
  for (let i = width; i < pixels.length; i++) if (pixels[i] !== pixels[i - width]) found.push(i);
  const next = new Uint32Array(width + 1);
  for (const index of found) next[(index % width) + 1]++;
  for (let x = 0; x < width; x++) next[x + 1] += next[x];
  const ordered = new Uint32Array(found.length);
  for (const index of found) ordered[next[index % width]++] = index;
  return ordered;
}

function encodeWhere(pixels: Pixels, width: number, height: number, isInside: (value: number) => boolean): RunLengths {
  checkSize(pixels, width, height);
  const counts: number[] = [];
  let start = 0;
  let inside = false;
  for (const index of changes(pixels, width)) {
    if (isInside(pixels[index]) === inside) continue;
    const place = columnPlace(index, width, height);
    counts.push(place - start);
    start = place;
    inside = !inside;
  }
  counts.push(pixels.length - start);
  return { width, height, counts: Uint32Array.from(counts) };
}

/** Run lengths of the pixels that are not 0. */
export const encodeMask = (mask: Pixels, width: number, height: number): RunLengths =>
  encodeWhere(mask, width, height, (value) => value !== 0);

/** Run lengths of the pixels whose value is `id`. */
export const encodeId = (ids: Pixels, id: number, width: number, height: number): RunLengths =>
  encodeWhere(ids, width, height, (value) => value === id);

/**
 * Run lengths of every value of an image in one pass, in the order of their first pixels column by column.
 * @param background a value that is left out: 0 is void in panoptic maps
 */
export function encodeSegments(ids: Pixels, width: number, height: number, background = 0): Map<number, RunLengths> {
  checkSize(ids, width, height);
  const segments = new Map<number, { counts: number[]; end: number }>();
  const size = ids.length;
  const starts = changes(ids, width);
  for (let i = 0; i < starts.length; i++) {
    const id = ids[starts[i]];
    if (id === background) continue;
    const start = columnPlace(starts[i], width, height);
    const end = i + 1 < starts.length ? columnPlace(starts[i + 1], width, height) : size;
    const segment = segments.get(id) ?? { counts: [], end: 0 };
    if (segment.end === 0) segments.set(id, segment);
    segment.counts.push(start - segment.end, end - start);
    segment.end = end;
  }
  const masks = new Map<number, RunLengths>();
  for (const [id, { counts, end }] of segments) {
    if (end < size) counts.push(size - end);
    masks.set(id, { width, height, counts: Uint32Array.from(counts) });
  }
  return masks;
}

/**
 * Sets the pixels inside the mask to `value`.
 * @param pixels row-major, of the mask's size
 */
export function paintMask({ width, height, counts }: RunLengths, pixels: Pixels, value: number): void {
  checkSize(pixels, width, height);
  let start = 0;
  for (let i = 0; i + 1 < counts.length; i += 2) {
    start += counts[i];
    let x = Math.floor(start / height);
    let y = start - x * height;
    for (let left = counts[i + 1]; left > 0; x++, y = 0) {
      const rows = Math.min(left, height - y);
      for (let k = 0, at = y * width + x; k < rows; k++, at += width) pixels[at] = value;
      left -= rows;
    }
    start += counts[i + 1];
  }
}

/** The mask row by row: 1 inside, 0 outside. */
export function decodeMask(mask: RunLengths): Uint8Array {
  const pixels = new Uint8Array(mask.width * mask.height);
  paintMask(mask, pixels, 1);
  return pixels;
}

/** Pixels inside the mask. */
export function maskArea({ counts }: RunLengths): number {
  let area = 0;
  for (let i = 1; i < counts.length; i += 2) area += counts[i];
  return area;
}

/** The smallest box around the mask; [0, 0, 0, 0] around an empty one. */
export function boundingBox({ width, height, counts }: RunLengths): Box {
  let [left, top, right, bottom] = [width, height, -1, -1];
  let start = 0;
  for (let i = 0; i + 1 < counts.length; i += 2) {
    start += counts[i];
    const end = start + counts[i + 1];
    if (end > start) {
      const first = Math.floor(start / height);
      const last = Math.floor((end - 1) / height);
      left = Math.min(left, first);
      right = last; // runs come from left to right
      // A run over several columns has the bottom pixel of one and the top pixel of the next.
      top = first < last ? 0 : Math.min(top, start - first * height);
      bottom = first < last ? height - 1 : Math.max(bottom, end - 1 - last * height);
    }
    start = end;
  }
  return right < 0 ? [0, 0, 0, 0] : [left, top, right - left + 1, bottom - top + 1];
}
