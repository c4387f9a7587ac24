/** @file Whether both sides compute the same: the values of every step, from the same weights and inputs. */

import type { Tolerance, Values } from "./job.js";

/** The largest relative difference of the values of a step. Throws Error with both numbers when it is too large. */
export function checkValues(
  ours: Values,
  theirs: Values,
  step: number,
  { first, later, laterOnly }: Tolerance,
): number {
  const tolerance = step === 0 ? first : later;
  const all = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  const names = step > 0 && laterOnly ? laterOnly : all;
  const differences = [...names].map((name) => {
    const [a, b] = [ours[name], theirs[name]];
    const difference = a === b ? 0 : Math.abs(a - b) / Math.abs(b);
    if (!(difference <= tolerance)) {
      throw new Error(
        `step ${step + 1}, ${name}: mask-jepa ${a}, PyTorch ${b}; they may differ by ${tolerance} of the value. ` +
          "They do not compute the same, so there is nothing to compare.",
      );
    }
    return difference;
  });
  return Math.max(...differences);
}
