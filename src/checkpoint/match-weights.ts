/** @file Strict loading: every parameter of the model and every tensor of the file has its partner, or is excused by name. */

import { InputError, nearest } from "../core/errors.js";
import type { Shape } from "../core/tensor-data.js";

export interface MatchOptions {
  /** Where `found` comes from: opens the error message. */
  source: string;
  /** Parameters that may lack a tensor (they keep their initial values). */
  allowMissing?: readonly RegExp[];
  /** Tensors that may be left unused. */
  allowUnexpected?: readonly RegExp[];
}

export interface WeightMatch {
  /** Names on both sides with equal shapes, in the model's order. */
  matched: string[];
  /** Excused by `allowMissing`. */
  missing: string[];
  /** Excused by `allowUnexpected`. */
  unexpected: string[];
}

/** Lines of one kind of fault, at most this many. */
const LISTED = 12;

function list(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const rest = lines.length > LISTED ? [`  ... and ${lines.length - LISTED} more`] : [];
  return [`${lines.length} ${title}:`, ...lines.slice(0, LISTED).map((line) => `  ${line}`), ...rest];
}

/**
 * Compares a model's parameters with a file's tensors by name and shape.
 * @throws InputError that lists all missing, unexpected and wrongly shaped names, with the nearest name on the other side
 */
export function matchWeights(
  expected: ReadonlyMap<string, Shape>,
  found: ReadonlyMap<string, Shape>,
  { source, allowMissing = [], allowUnexpected = [] }: MatchOptions,
): WeightMatch {
  const excused = (name: string, patterns: readonly RegExp[]) => patterns.some((pattern) => name.search(pattern) >= 0);
  const missing = [...expected.keys()].filter((name) => !found.has(name));
  const unexpected = [...found.keys()].filter((name) => !expected.has(name));
  const matched = [...expected.keys()].filter((name) => found.has(name));

  const lacking = missing.filter((name) => !excused(name, allowMissing));
  const surplus = unexpected.filter((name) => !excused(name, allowUnexpected));
  const misshapen = matched.filter((name) => `${expected.get(name)}` !== `${found.get(name)}`);
  const near = (name: string, others: readonly string[]) => {
    const other = nearest(name, others.slice(0, 200));
    return other ? `${name} (the other side has ${other})` : name;
  };
  const faults = [
    ...list(
      "missing",
      lacking.map((name, i) => (i < LISTED ? near(name, unexpected) : name)),
    ),
    ...list(
      "unexpected",
      surplus.map((name, i) => (i < LISTED ? near(name, missing) : name)),
    ),
    ...list(
      "of another shape",
      misshapen.map((name) => `${name}: model [${expected.get(name)}], file [${found.get(name)}]`),
    ),
  ];
  if (faults.length > 0) {
    throw new InputError({
      where: source,
      expected: `the ${expected.size} tensors of this model`,
      found: `${matched.length - misshapen.length} that fit\n${faults.join("\n")}`,
    });
  }
  return { matched, missing, unexpected };
}
