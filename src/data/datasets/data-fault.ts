/** @file What can be wrong with labelled data, as errors of a kind, so that a report can count them. */

import { InputError, type Problem } from "../../core/errors.js";

export const FAULT_KINDS = [
  "missing image",
  "missing label",
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

/** The first few of a list as text: `1, 2, 3 and 7 more`. */
export function someOf(items: readonly (string | number)[], most = 5): string {
  const rest = items.length - most;
  return rest > 0 ? `${items.slice(0, most).join(", ")} and ${rest} more` : items.join(", ");
}
