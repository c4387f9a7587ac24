/** @file Polygons and boxes to run lengths, pixel for pixel as pycocotools does. */

import { InputError } from "../core/errors.js";
import { fromBoundaries, unionOf } from "./mask-algebra.js";
import type { Box, RunLengths } from "./run-lengths.js";
import type { Polygons } from "./segmentation.js";

/** Outlines are drawn on a grid this many times finer than the pixels. */
const FINE = 5;
/** The fine row or column that runs through the middle of a pixel's first one: (2 + 0.5) / 5 - 0.5 = 0. */
const MIDDLE = 2;

/** Coordinates that the arithmetic below takes exactly; they are far outside of any image. */
export const MAX_COORDINATE = 1e9;

/** Crossings of an outline for each pixel of the image, and some for small images: a drawing has far fewer. */
const maxCrossings = (width: number, height: number) => width * height + 2 ** 20;

/** An edge on the fine grid, from the end that the drawing begins at, whatever its direction, and its steps. */
interface Edge {
  readonly u: number;
  readonly v: number;
  readonly endU: number;
  readonly endV: number;
  /** One a column where it is wide, else one a row. */
  readonly steps: number;
  readonly wide: boolean;
}

function edgeAt(polygon: readonly number[], i: number): Edge {
  const fine = (index: number) => Math.trunc(FINE * polygon[index % polygon.length] + 0.5);
  const [fromU, fromV, toU, toV] = [fine(i), fine(i + 1), fine(i + 2), fine(i + 3)];
  const [across, down] = [Math.abs(toU - fromU), Math.abs(toV - fromV)];
  const wide = across >= down;
  const backwards = wide ? fromU > toU : fromV > toV;
  const [u, v, endU, endV] = backwards ? [toU, toV, fromU, fromV] : [fromU, fromV, toU, toV];
  return { u, v, endU, endV, steps: Math.max(across, down), wide };
}

/**
 * First and last column of the image whose middle an edge crosses: it goes from fine column `FINE * x + MIDDLE` to the
 * next.
 */
function columnsOf({ u, endU }: Edge, width: number): [first: number, last: number] {
  const [left, right] = [Math.min(u, endU), Math.max(u, endU)];
  const first = Math.max(0, Math.ceil((left - MIDDLE) / FINE));
  return [first, Math.min(width - 1, Math.floor((right - 1 - MIDDLE) / FINE))];
}

/** The upper of the two fine rows between which an edge crosses from fine column `u` to the next. */
function rowOfCrossing({ u: startU, v: startV, endU, endV, steps, wide }: Edge, u: number): number {
  if (wide) {
    const slope = (endV - startV) / steps;
    const rowAt = (step: number) => Math.trunc(startV + slope * step + 0.5);
    return Math.min(rowAt(u - startU), rowAt(u + 1 - startU));
  }
  const slope = (endU - startU) / steps;
  const hasCrossed = (step: number) => {
    const column = Math.trunc(startU + slope * step + 0.5);
    return slope > 0 ? column > u : column <= u;
  };
  // The column's edge is at u + 0.5; rounding decides about the step beside it.
  let step = Math.round((u + 0.5 - startU) / slope);
  while (hasCrossed(step - 1)) step--;
  while (!hasCrossed(step)) step++;
  return startV + step - 1;
}

/** How many columns of the image the edges of an outline cross, each counted: what drawing it costs. */
export function countCrossings(polygon: readonly number[], width: number): number {
  let count = 0;
  for (let i = 0; i < polygon.length; i += 2) {
    const [first, last] = columnsOf(edgeAt(polygon, i), width);
    count += Math.max(0, last - first + 1);
  }
  return count;
}

/** @throws InputError when outlines cross an image's columns more often than a drawing of it can need */
export function requireDrawable(polygons: Iterable<readonly number[]>, width: number, height: number, where: string) {
  const limit = maxCrossings(width, height);
  let count = 0;
  for (const polygon of polygons) count += countCrossings(polygon, width);
  if (count <= limit) return;
  const expected = `outlines that cross the columns of an image of ${width}x${height} at most ${limit} times`;
  throw new InputError({ where, expected, found: `${count} crossings`, fix: "Are the coordinates pixels of it?" });
}

/**
 * Run lengths of one polygon as pycocotools draws it: a pixel is inside when the outline crosses the middle of its
 * column above it an odd number of times. An edge takes one step a column or a row of the fine grid, whichever it
 * crosses more of, computed from the same of its two ends whatever its direction; only the steps at middles of the
 * image's columns are taken, so that the cost does not grow with what lies outside.
 * @param polygon [x0, y0, x1, y1, ...] in pixels; parts outside the image are cut off
 * @throws InputError when the coordinates do not come in pairs, or one is no number within MAX_COORDINATE
 */
export function encodePolygon(polygon: readonly number[], width: number, height: number): RunLengths {
  if (polygon.length % 2 !== 0 || !polygon.every((value) => Math.abs(value) <= MAX_COORDINATE)) {
    const found = polygon.length % 2 ? `${polygon.length} numbers` : "a coordinate that is no number, or too large";
    throw new InputError({ where: "polygon", expected: "x and y of each corner", found });
  }
  const crossings: number[] = [];
  for (let i = 0; i < polygon.length; i += 2) {
    const edge = edgeAt(polygon, i);
    const [first, last] = columnsOf(edge, width);
    for (let x = first; x <= last; x++) {
      const y = Math.ceil((rowOfCrossing(edge, FINE * x + MIDDLE) - MIDDLE) / FINE);
      crossings.push(x * height + Math.min(Math.max(y, 0), height));
    }
  }
  return fromBoundaries(Float64Array.from(crossings).sort(), width, height);
}

/** Run lengths of the union of polygons; none give an empty mask. */
export function encodePolygons({ polygons }: Polygons, width: number, height: number): RunLengths {
  if (polygons.length === 0) return fromBoundaries([], width, height);
  requireDrawable(polygons, width, height, "polygons");
  return unionOf(polygons.map((polygon) => encodePolygon(polygon, width, height)));
}

/** Run lengths of a box. */
export function encodeBox([x, y, boxWidth, boxHeight]: Readonly<Box>, width: number, height: number): RunLengths {
  const [right, bottom] = [x + boxWidth, y + boxHeight];
  return encodePolygon([x, y, x, bottom, right, bottom, right, y], width, height);
}

/** The run lengths of an instance, however its data set draws it. */
export function shapeMask(shape: RunLengths | Polygons, width: number, height: number): RunLengths {
  return "polygons" in shape ? encodePolygons(shape, width, height) : shape;
}
