/** @file Masks as run lengths, as COCO encodes them: column by column, beginning with the pixels outside. */

import { InputError } from "../core/errors.js";

export interface RunLengths {
  readonly width: number;
  readonly height: number;
  /** Lengths of the runs: outside, inside, outside, ...; they add up to `width * height`. */
  readonly counts: Uint32Array;
}

/** Left, top, width and height in pixels. */
export type Box = [x: number, y: number, width: number, height: number];

/** A row-major image of whole numbers. */
export type Pixels = Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array;

/**
 * Run lengths from counts that somebody else made.
 * @param where names the mask in the error, for instance a file and an annotation
 * @throws InputError when a count is no whole number from 0, or they do not add up to `width * height`
 */
export function runLengths(
  width: number,
  height: number,
  counts: ArrayLike<number>,
  where = "run lengths",
): RunLengths {
  let sum = 0;
  for (let i = 0; i < counts.length; i++) {
    if (!Number.isInteger(counts[i]) || counts[i] < 0) {
      throw new InputError({ where, expected: "counts that are whole numbers from 0", found: `${counts[i]}` });
    }
    sum += counts[i];
  }
  if (sum !== width * height) {
    const expected = `counts that add up to ${width * height} (${width}x${height} pixels)`;
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

/** Pixels a side of the squares in which an image is transposed: a square's rows and columns fit the first cache. */
const TILE = 32;

/** The image column by column, as COCO counts pixels. */
function columnMajor<T extends Pixels>(pixels: T, width: number, height: number): T {
  const columns = pixels.slice() as T;
  for (let top = 0; top < height; top += TILE) {
    const bottom = Math.min(top + TILE, height);
    for (let left = 0; left < width; left += TILE) {
      const right = Math.min(left + TILE, width);
      for (let x = left; x < right; x++) {
        for (let y = top; y < bottom; y++) columns[x * height + y] = pixels[y * width + x];
      }
    }
  }
  return columns;
}

/** Run lengths of the pixels that are not 0. */
export function encodeMask(mask: Pixels, width: number, height: number): RunLengths {
  checkSize(mask, width, height);
  const columns = columnMajor(mask, width, height);
  const counts: number[] = [];
  let start = 0;
  let inside = false;
  for (let i = 0; i < columns.length; i++) {
    if ((columns[i] !== 0) === inside) continue;
    counts.push(i - start);
    start = i;
    inside = !inside;
  }
  counts.push(columns.length - start);
  return { width, height, counts: Uint32Array.from(counts) };
}

/** Run lengths of the pixels whose value is `id`. */
export function encodeId(ids: Pixels, id: number, width: number, height: number): RunLengths {
  checkSize(ids, width, height);
  const mask = new Uint8Array(ids.length);
  for (let i = 0; i < ids.length; i++) mask[i] = Number(ids[i] === id);
  return encodeMask(mask, width, height);
}

/**
 * Run lengths of every value of an image in one pass, in the order of their first pixels column by column.
 * @param background a value that is left out: 0 is void in panoptic maps
 */
export function encodeSegments(ids: Pixels, width: number, height: number, background = 0): Map<number, RunLengths> {
  checkSize(ids, width, height);
  const columns = columnMajor(ids, width, height);
  const segments = new Map<number, { counts: number[]; end: number }>();
  const size = columns.length;
  for (let start = 0, end = 0; start < size; start = end) {
    const id = columns[start];
    end = start + 1;
    while (end < size && columns[end] === id) end++;
    if (id === background) continue;
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
