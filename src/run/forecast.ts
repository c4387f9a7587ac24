/** @file How long a run will take, once its first steps are timed. */

import { roughDuration, timeAfter } from "../core/duration.js";

/** Steps until the forecast; the first, with the start-up in it, is not timed. */
const TIMED = 3;
/** Seconds below which nobody asks. */
const SHORT = 20;

export interface ForecastOptions {
  /** Finished steps at the start, and at the end. */
  readonly first: number;
  readonly steps: number;
  /** Whether evaluations come on top of the steps. */
  readonly evaluates: boolean;
  /** Seconds of a steady clock. */
  readonly now?: () => number;
}

/** To be told the number of finished steps after each; gives the forecast once, unless the run is over soon. */
export function forecaster(options: ForecastOptions): (step: number) => string | undefined {
  const { first, steps, evaluates, now = () => performance.now() / 1000 } = options;
  let begun = Number.NaN;
  return (step) => {
    if (step === first + 1) begun = now();
    if (step !== first + TIMED) return undefined;
    const perStep = (now() - begun) / (TIMED - 1);
    const left = (steps - step) * perStep;
    if (left < SHORT) return undefined;
    const pace = `${perStep.toPrecision(2)} s a step${evaluates ? ", evaluations not counted" : ""}`;
    return `About ${roughDuration(left)} to go, until ${timeAfter(left, new Date())} (${pace})`;
  };
}
