/** @file What every evaluator returns: numbers by name for the whole set, and a row of numbers for each class. */

import { InputError } from "../core/errors.js";
import type { Size } from "../core/image.js";
import type { SegmentationClass } from "../masks/segmentation.js";

/** From 0 to 1, or a count; null where it is not defined, as the IoU of a class that occurs nowhere. */
export type Score = number | null;

/** The scores of one class. */
export interface ClassScores {
  readonly label: number;
  readonly name: string;
  readonly scores: Readonly<Record<string, Score>>;
}

/** What a metric found. */
export interface Scores {
  /** Of the whole set, by name (`pq`, `ap50`, `miou`, ...), the most important one first. */
  readonly summary: Readonly<Record<string, Score>>;
  /** One row a class, in the order of the classes, all with the same names. */
  readonly classes: readonly ClassScores[];
}

/** Mean of the scores that are defined; null when none is. */
export function mean(scores: Iterable<Score | undefined>): Score {
  let [sum, count] = [0, 0];
  for (const score of scores) {
    if (score === null || score === undefined) continue;
    sum += score;
    count++;
  }
  return share(sum, count);
}

/** `part / whole`; null when there is no whole. */
export const share = (part: number, whole: number): Score => (whole === 0 ? null : part / whole);

/** Rows of a table: what `scoresOf` says about each class. */
export const classRows = (
  classes: readonly SegmentationClass[],
  scoresOf: (label: number) => Readonly<Record<string, Score>>,
): ClassScores[] => classes.map(({ name }, label) => ({ label, name, scores: scoresOf(label) }));

/** @throws InputError when `label` is no index of `classes` */
export function checkLabel(label: number, classes: readonly SegmentationClass[], where: string): void {
  if (label in classes) return;
  const expected = `a label from 0 to ${classes.length - 1} (the classes of this evaluation)`;
  throw new InputError({ where, expected, found: String(label) });
}

/** @throws InputError when a prediction has not the size of the ground truth */
export function checkSameSize(truth: Size, prediction: Size, where: string): void {
  if (truth.width === prediction.width && truth.height === prediction.height) return;
  const expected = `a prediction of the ground truth's size (${truth.width}x${truth.height})`;
  throw new InputError({ where, expected, found: `${prediction.width}x${prediction.height}` });
}
