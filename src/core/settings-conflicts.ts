/** @file Settings that are fine by themselves and disagree with each other. */

import { InputError } from "./errors.js";
import type { WhereOf } from "./settings-file.js";

export interface Conflict {
  /** The settings that disagree, the likeliest culprit first. */
  names: readonly string[];
  expected: string;
  found: string;
  fix?: string;
}

export function divisors(n: number): string {
  return Array.from({ length: n }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .join(", ");
}

/** Checks what a schema cannot: settings that must agree. @throws InputError for the first conflict */
export function refuseConflicts(conflicts: Iterable<Conflict>, whereOf: WhereOf): void {
  for (const { names, ...problem } of conflicts) throw new InputError({ where: whereOf(...names), ...problem });
}
