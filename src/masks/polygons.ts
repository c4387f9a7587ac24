/** @file Polygons and boxes to run lengths, pixel for pixel as pycocotools does. */

import { InputError } from "../core/errors.js";
import { fromBoundaries, unionOf } from "./mask-algebra.js";
import type { Box, RunLengths } from "./run-lengths.js";
import type { Polygons } from "./segmentation.js";

/** Outlines are drawn on a grid this many times finer than the pixels. */
const FINE = 5;
/** The fine row or column that runs through the middle of a pixel's first one: (2 + 0.5) / 5 - 0.5 = 0. */
const MIDDLE = 2;

/**
 * Calls `visit(u, v)` for the points of the closed outline on the fine grid. An edge takes one step a column or a row,
 * whichever it crosses more of, always computed from the same of its two ends whatever its direction.
 */
function walkOutline(polygon: readonly number[], visit: (u: number, v: number) => void): void {
  const fine = (index: number) => Math.trunc(FINE * polygon[index % polygon.length] + 0.5);
  for (let i = 0; i < polygon.length; i += 2) {
    const [fromU, fromV, toU, toV] = [fine(i), fine(i + 1), fine(i + 2), fine(i + 3)];
    const steps = Math.max(Math.abs(toU - fromU), Math.abs(toV - fromV));
    const wide = steps === Math.abs(toU - fromU);
    const backwards = wide ? fromU > toU : fromV > toV;
    const [startU, startV, endU, endV] = backwards ? [toU, toV, fromU, fromV] : [fromU, fromV, toU, toV];
    const slope = steps === 0 ? 0 : (wide ? endV - startV : endU - startU) / steps;
    for (let step = 0; step <= steps; step++) {
      const along = backwards ? steps - step : step;
      if (wide) visit(startU + along, Math.trunc(startV + slope * along + 0.5));
      else visit(Math.trunc(startU + slope * along + 0.5), startV + along);
    }
  }
}

/**
 * Run lengths of one polygon: a pixel is inside when the outline crosses the middle of its column above it an odd
 * number of times.
 * @param polygon [x0, y0, x1, y1, ...] in pixels; parts outside the image are cut off
 * @throws InputError when the coordinates do not come in pairs, or one is no number
 */
export function encodePolygon(polygon: readonly number[], width: number, height: number): RunLengths {
  if (polygon.length % 2 !== 0 || !polygon.every(Number.isFinite)) {
    const found = polygon.length % 2 ? `${polygon.length} numbers` : "a coordinate that is no number";
    throw new InputError({ where: "polygon", expected: "x and y of each corner", found });
  }
  const crossings: number[] = [];
  let [lastU, lastV] = [Number.NaN, Number.NaN];
  walkOutline(polygon, (u, v) => {
    const x = (Math.min(u, lastU) - MIDDLE) / FINE;
    if (u !== lastU && Number.isInteger(x) && x >= 0 && x < width) {
      const y = Math.ceil((Math.min(v, lastV) - MIDDLE) / FINE);
      crossings.push(x * height + Math.min(Math.max(y, 0), height));
    }
    [lastU, lastV] = [u, v];
  });
  return fromBoundaries(Float64Array.from(crossings).sort(), width, height);
}

/** Run lengths of the union of polygons; none give an empty mask. */
export function encodePolygons({ polygons }: Polygons, width: number, height: number): RunLengths {
  if (polygons.length === 0) return fromBoundaries([], width, height);
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
