/** @file What can be wrong with labelled data, as errors of a kind, so that a report can count them. */

import { InputError, type Problem } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import type { BadFile } from "../source.js";

export const FAULT_KINDS = [
  "missing image",
  "missing label",
  "ambiguous name",
  "unreadable image",
  "unreadable label",
  "sizes differ",
  "ids outside the classes",
  "bad annotation",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** A fault of one image or label: training passes the image over and counts it. */
export class DataFault extends InputError {
  override readonly name = "DataFault";
  constructor(
    readonly kind: FaultKind,
    problem: Problem,
    options?: ErrorOptions,
  ) {
    super(problem, options);
  }
}

/** What a report says of a fault: its file, what was found there, and what was not. */
export function badFileOf({ problem: { where, expected, found } }: InputError): BadFile {
  return { file: where, reason: `${found} in place of ${expected}` };
}

/** The size that labels must have, and whose it is: "the image". */
export interface WantedSize extends Size {
  readonly of: string;
}

/** @throws DataFault for another size than wanted, with a hint where it is turned */
export function requireSize({ width, height }: Size, where: string, wanted: WantedSize): void {
  if (width === wanted.width && height === wanted.height) return;
  const turned = width === wanted.height && height === wanted.width;
  throw new DataFault("sizes differ", {
    where,
    expected: `labels of the size of ${wanted.of}, ${wanted.width}x${wanted.height}`,
    found: `${width}x${height}`,
    fix: turned
      ? "The photograph may carry an EXIF rotation that its label lacks: turn the label."
      : "Resize neither: find the label that belongs to the image.",
  });
}
