/** @file What a person sees of training: one line of figures, from moving averages. */

import { formatDuration } from "../core/duration.js";
import type { FinishedStep } from "../core/reporter.js";

export interface Progress {
  step: number;
  total: number;
  /** Shown in the given order, e.g. `{ loss: 0.81, recon: 0.6, denoise: 0.21 }`. */
  losses: Readonly<Record<string, number>>;
  imagesPerSecond?: number;
  /** Share of the time spent waiting for data, 0 to 1. */
  dataWait?: number;
  secondsLeft?: number;
  /** Resident set size. */
  memoryBytes?: number;
}

const GAP = "  ";

/**
 * The line for a person, ASCII. Figures that are not known yet are left out, and so are the last ones where `width`
 * characters do not hold all: the time that is left comes before them.
 */
export function formatProgress(progress: Progress, width = Number.POSITIVE_INFINITY): string {
  const { step, total, losses, imagesPerSecond, dataWait, secondsLeft, memoryBytes } = progress;
  const parts = [`step ${String(step).padStart(String(total).length)}/${total}`];
  if (secondsLeft !== undefined) parts.push(`ETA ${formatDuration(secondsLeft)}`);
  for (const [name, value] of Object.entries(losses)) parts.push(`${name} ${value.toPrecision(4)}`);
  if (imagesPerSecond !== undefined) parts.push(`${imagesPerSecond.toPrecision(3)} images/s`);
  if (dataWait !== undefined) parts.push(`data wait ${Math.round(100 * dataWait)}%`);
  if (memoryBytes !== undefined) parts.push(`${(memoryBytes / 2 ** 30).toFixed(1)} GiB`);
  while (parts.length > 1 && parts.join(GAP).length > width) parts.pop();
  return parts.join(GAP).slice(0, Math.max(0, width));
}

/** The weight of the newest step in the moving averages: about the last 20 steps count. */
const NEWEST = 0.05;

/**
 * Moving averages of a step's duration, images and data wait. The first step, with the start-up in it, serves only
 * until the second.
 */
function createPace(): (seconds: number, images: number, waitSeconds: number) => readonly [number, number, number] {
  let mean: readonly [number, number, number] = [0, 0, 0];
  let before = 0;
  return (...step) => {
    const weight = Math.max(NEWEST, 1 / Math.max(1, before++));
    mean = [0, 1, 2].map((i) => mean[i] + weight * (step[i] - mean[i])) as [number, number, number];
    return mean;
  };
}

/** The figures after each step of a training of `total` steps that begins now; `now`: seconds of a steady clock. */
export function trackSteps(total: number, now: () => number): (finished: FinishedStep) => Progress {
  const pace = createPace();
  let lastStepAt = now();
  return ({ step, losses, images, waitSeconds }) => {
    const time = now();
    const [seconds, meanImages, meanWait] = pace(time - lastStepAt, images, waitSeconds);
    lastStepAt = time;
    return {
      step,
      total,
      losses,
      imagesPerSecond: meanImages / Math.max(seconds, 1e-6),
      dataWait: Math.min(1, meanWait / Math.max(seconds, 1e-6)),
      secondsLeft: (total - step) * seconds,
      memoryBytes: process.memoryUsage.rss(),
    };
  };
}
