/** @file The one shape of a user-facing error: where, what was expected, what was found, what to do. */

import { someOf } from "./text.js";

export interface Problem {
  /** File, key or function in which the fault lies. */
  where: string;
  expected: string;
  found: string;
  /** What the user can do about it. */
  fix?: string;
}

/** Characters of a part of a message: names and values of a file can be of any length. */
const LONGEST = 1000;

const cut = (text: string) => (text.length > LONGEST ? `${text.slice(0, 600)} ... ${text.slice(-300)}` : text);

function sentence({ where, expected, found, fix }: Problem): string {
  return `${cut(where)}: expected ${cut(expected)}, found ${cut(found)}.${fix ? ` ${fix}` : ""}`;
}

/**
 * A fault in what the user gave (a file, a setting, a flag). The command line prints its message alone, without a
 * stack.
 */
export class InputError extends Error {
  override readonly name: string = "InputError";
  constructor(
    readonly problem: Problem,
    options?: ErrorOptions,
  ) {
    super(sentence(problem), options);
  }
}

/** A fault in how graph-building code was called (shapes, types): a bug of the caller. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
  constructor(where: string, expected: string, found: string) {
    super(sentence({ where, expected, found }));
  }
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length];
}

/** The choice nearest to `name` by edit distance, or undefined when none is close enough to be a typo of it. */
export function nearest(name: string, choices: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.ceil(name.length / 3)) + 1;
  for (const choice of choices) {
    if (Math.abs(name.length - choice.length) >= bestDistance) continue;
    const distance = editDistance(name.toLowerCase(), choice.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [choice, distance];
  }
  return best;
}

/** Choices that a message lists. */
const LISTED = 100;

/** What a name that is no choice may have meant, the end of its error: choices that begin so, the nearest, or all. */
export function suggestion(name: string, choices: readonly string[]): string {
  const begun = name === "" ? [] : choices.filter((choice) => choice.toLowerCase().startsWith(name.toLowerCase()));
  const near = nearest(name, begun.length > 0 ? begun : choices) ?? (begun.length === 1 ? begun[0] : undefined);
  if (near) return `Did you mean "${near}"?`;
  if (begun.length > 0) return `Valid choices that begin so: ${someOf(begun, LISTED)}.`;
  return `Valid choices: ${someOf(choices, LISTED)}.`;
}
