/** @file Learning-rate schedules and the ramp of the EMA decay, as functions of the step. */

export interface Schedule {
  kind: "constant" | "poly" | "multistep" | "cosine";
  /** Share of the run with linear warm-up, on top of any kind. */
  warmup: number;
  polyPower: number;
  /** Shares of the run at which "multistep" multiplies by gamma. */
  milestones: readonly number[];
  gamma: number;
}

/** Factor of the base learning rate at 0-based `step` of `steps`. */
export function learningRateFactor(schedule: Schedule, step: number, steps: number): number {
  const warmupSteps = Math.round(schedule.warmup * steps);
  const warm = step < warmupSteps ? (step + 1) / warmupSteps : 1;
  const progress = step / steps;
  switch (schedule.kind) {
    case "constant":
      return warm;
    case "poly":
      return warm * (1 - progress) ** schedule.polyPower;
    case "multistep":
      return warm * schedule.gamma ** schedule.milestones.filter((share) => progress >= share).length;
    case "cosine":
      return warm * 0.5 * (1 + Math.cos(Math.PI * progress));
  }
}

/** tau at 0-based `step` of `steps`: linear from `start` to `end`, which the last step reaches. */
export function linearRamp(start: number, end: number, step: number, steps: number): number {
  return steps <= 1 ? end : start + ((end - start) * step) / (steps - 1);
}
