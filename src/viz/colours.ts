/** @file Colours for labels and for magnitudes, and the pictures made with them. */

import { ShapeError } from "../core/errors.js";
import type { Image, Rgb } from "../core/image.js";

/**
 * Distinguishable under all common colour-vision deficiencies: the "bright" scheme of Paul Tol (SRON/EPS/TN/09-002),
 * and black.
 */
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

/**
 * Even stops of a ramp of rising lightness, dark violet to pale yellow: larger stays larger in grey and for any eye.
 */
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
export function labelPicture(labels: Uint8Array, width: number, height: number): Image {
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
): Image {
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

/** Consecutive multiples of the golden angle stay as far apart on the circle as can be. */
const GOLDEN_ANGLE = Math.PI * (3 - Math.sqrt(5));
/**
 * Colours of objects keep at least this chroma and these lightnesses in Oklab, so that turning their hue tells them
 * apart.
 */
const OBJECT_TONE = { chroma: 0.14, darkest: 0.55, lightest: 0.82 };

/**
 * `color` itself for `turn` 0, then colours of about its lightness in other hues, each far from those before it.
 * Hue, chroma and lightness are Oklab's (Ottosson 2020).
 */
export function turnHue(color: Rgb, turn: number): Rgb {
  if (turn === 0) return color;
  const [lightness, a, b] = toOklab(color);
  const { chroma, darkest, lightest } = OBJECT_TONE;
  const angle = Math.atan2(b, a) + turn * GOLDEN_ANGLE;
  const strength = Math.max(chroma, Math.hypot(a, b));
  const tone = Math.min(lightest, Math.max(darkest, lightness));
  return fromOklab([tone, strength * Math.cos(angle), strength * Math.sin(angle)]);
}

function toOklab(color: Rgb): Rgb {
  const [r, g, b] = color.map((v) => (v <= 10.31475 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

function fromOklab([lightness, a, b]: Rgb): Rgb {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
    -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
    -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s,
  ];
  const [red, green, blue] = linear.map((v) => {
    const clipped = Math.min(1, Math.max(0, v));
    return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
  });
  return [red, green, blue];
}
