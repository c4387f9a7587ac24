/** @file Whether both sides compute the same: the losses of every step, from the same weights and draws. */

import type { StepResult } from "./protocol.js";

/** Largest relative difference before the first update, and after updates, which magnify rounding (AdamW divides by small numbers). */
const TOLERANCE = { first: 1e-4, later: 1e-3 };

const LOSSES = ["loss", "recon", "denoise"] as const;

/** The largest relative difference of the losses of a step. Throws Error with both numbers when it is too large. */
export function checkLosses(ours: StepResult, theirs: StepResult, step: number): number {
  const tolerance = step === 0 ? TOLERANCE.first : TOLERANCE.later;
  const differences = LOSSES.map((name) => {
    const difference = Math.abs(ours[name] - theirs[name]) / Math.abs(theirs[name]);
    if (!(difference <= tolerance)) {
      throw new Error(
        `step ${step + 1}, ${name}: mask-jepa ${ours[name]}, PyTorch ${theirs[name]}; they may differ by ${tolerance} of the value. They do not compute the same step, so there is nothing to compare.`,
      );
    }
    return difference;
  });
  return Math.max(...differences);
}
