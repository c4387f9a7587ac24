/** @file Lists of classes: from names, from COCO's categories, and the things among them. */

import { InputError } from "../../core/errors.js";
import { IGNORED, type SegmentationClass } from "../../masks/segmentation.js";

type Color = SegmentationClass["color"];

/** A colour for the i-th class: hues a golden angle apart, in three lightnesses. */
function distinctColor(index: number): Color {
  const hue = (index * 137.508) % 360;
  const lightness = [0.5, 0.65, 0.38][index % 3];
  const spread = 0.62 * Math.min(lightness, 1 - lightness);
  // HSL to RGB: each channel is a trapezoid of the hue.
  const channel = (offset: number) => {
    const k = (offset + hue / 30) % 12;
    return Math.round(255 * (lightness - spread * Math.max(-1, Math.min(k - 3, 9 - k, 1))));
  };
  return [channel(0), channel(8), channel(4)];
}

/** A class as a file describes it; a colour is made up where there is none. */
export interface ClassEntry {
  readonly id: number;
  readonly name: string;
  readonly isThing: boolean;
  readonly color?: Color;
}

export function classList(entries: readonly ClassEntry[]): SegmentationClass[] {
  return entries.map((entry, i) => ({ ...entry, color: entry.color ?? distinctColor(i) }));
}

/** Labels are 16-bit numbers, of which two mean something else: IGNORED, and what a table of labels does not know. */
const MAX_CLASSES = IGNORED - 1;

/** @throws InputError for more classes than labels can number */
export function requireFewClasses(count: number, where: string): void {
  if (count > MAX_CLASSES) {
    throw new InputError({ where, expected: `at most ${MAX_CLASSES} classes`, found: String(count) });
  }
}

export const thingsOf = (classes: readonly SegmentationClass[]) => classes.filter(({ isThing }) => isThing);

/** Things by rising id, then stuff by rising id: the order of COCO's contiguous ids (detectron2's builtin_meta.py). */
export function thingsFirst(classes: readonly SegmentationClass[]): SegmentationClass[] {
  return [...classes].sort((a, b) => Number(b.isThing) - Number(a.isThing) || a.id - b.id);
}

/** Index in `classes` by class id. */
export function indexById(classes: readonly SegmentationClass[]): Map<number, number> {
  return new Map(classes.map(({ id }, index) => [id, index]));
}
