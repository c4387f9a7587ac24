/** @file Colours for labels and for magnitudes, and the pictures made with them. */

import { ShapeError } from "../core/errors.js";
import type { Picture, Rgb } from "./picture.js";

/** Distinguishable under all common colour-vision deficiencies: the "bright" scheme of Paul Tol (SRON/EPS/TN/09-002), and black. */
export const LABEL_COLOURS: readonly Rgb[] = [
  [68, 119, 170],
  [238, 102, 119],
  [34, 136, 51],
  [204, 187, 68],
  [102, 204, 238],
  [170, 51, 119],
  [187, 187, 187],
  [34, 34, 34],
];

/** Even stops of a ramp of rising lightness, dark violet to pale yellow: larger stays larger in grey and for any eye. */
const HEAT_STOPS: readonly Rgb[] = [
  [22, 14, 52],
  [92, 24, 110],
  [176, 44, 98],
  [236, 98, 52],
  [252, 176, 60],
  [252, 250, 190],
];

/** Where a heat map has no value. */
const NO_VALUE: Rgb = [128, 128, 128];

/** A label map [height * width] in `LABEL_COLOURS`. Throws ShapeError for a label that has no colour of its own. */
export function labelPicture(labels: Uint8Array, width: number, height: number): Picture {
  if (labels.length !== width * height) {
    throw new ShapeError("labelPicture", `${height} x ${width} labels`, `${labels.length}`);
  }
  const data = new Uint8Array(3 * labels.length);
  labels.forEach((label, p) => {
    const colour = LABEL_COLOURS[label];
    if (!colour) throw new ShapeError("labelPicture", `labels below ${LABEL_COLOURS.length}`, `${label}`);
    data.set(colour, 3 * p);
  });
  return { width, height, data };
}

/** Values [height * width] from dark (`low` and below) to bright (`high` and above); NaN, meaning no value, is grey. */
export function heatPicture(
  values: Float32Array,
  width: number,
  height: number,
  { low, high }: { low: number; high: number },
): Picture {
  if (values.length !== width * height) {
    throw new ShapeError("heatPicture", `${height} x ${width} values`, `${values.length}`);
  }
  const data = new Uint8Array(3 * values.length);
  values.forEach((value, p) => {
    data.set(Number.isNaN(value) ? NO_VALUE : heat(high > low ? (value - low) / (high - low) : 0), 3 * p);
  });
  return { width, height, data };
}

/** The ramp at `t` in 0..1, linear between stops. */
function heat(t: number): Rgb {
  const position = Math.min(1, Math.max(0, t)) * (HEAT_STOPS.length - 1);
  const low = Math.min(HEAT_STOPS.length - 2, Math.floor(position));
  const mix = (c: 0 | 1 | 2) => HEAT_STOPS[low][c] + (position - low) * (HEAT_STOPS[low + 1][c] - HEAT_STOPS[low][c]);
  return [mix(0), mix(1), mix(2)];
}
