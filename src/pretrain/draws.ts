/** @file Everything random of a step, as functions of (seed, step, sample): masks, noise and query content. */

import { RandomStream } from "../core/random.js";

/**
 * Masked positions of a square grid, ascending: `count` of the patches of `patch` x `patch` cells, chosen uniformly
 * (step 5 of the method).
 */
export function drawMask(random: RandomStream, cells: number, patch: number, count: number): BigInt64Array {
  const side = cells / patch;
  const chosen = random.permutation(side * side).subarray(0, count);
  const positions: number[] = [];
  for (const index of chosen) {
    const [top, left] = [Math.floor(index / side) * patch, (index % side) * patch];
    for (let y = top; y < top + patch; y++) for (let x = left; x < left + patch; x++) positions.push(y * cells + x);
  }
  return BigInt64Array.from(
    positions.sort((a, b) => a - b),
    BigInt,
  );
}

/** The stream of one purpose of one sample of a step. */
export interface SampleKey {
  seed: number;
  step: number;
  sample: number;
}

export const maskStream = (key: SampleKey) => new RandomStream({ ...key, purpose: "mask" });
export const noiseStream = (key: SampleKey) => new RandomStream({ ...key, purpose: "noise" });
export const queryStream = (key: SampleKey) => new RandomStream({ ...key, purpose: "queries" });
