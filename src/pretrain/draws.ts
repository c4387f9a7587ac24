/** @file Everything random of a step, as functions of (seed, step, sample): masks, noise and query content. */

import { RandomStream } from "../core/random.js";

/** The grid of F_i1 and what is masked of it. */
export interface MaskGrid {
  /** Side in cells. */
  readonly cells: number;
  /** p, side of a masked patch in cells. */
  readonly patch: number;
  /** Masked patches. */
  readonly patches: number;
  /** P and K: cells, and those of them that are masked. */
  readonly positions: number;
  readonly masked: number;
}

/** Masks `ratio` of the patches of `patch` cells of a square grid. */
export function maskGrid(cells: number, patch: number, ratio: number): MaskGrid {
  const patches = Math.round(ratio * (cells / patch) ** 2);
  return { cells, patch, patches, positions: cells * cells, masked: patches * patch ** 2 };
}

/** Masked positions, ascending: `patches` of the patches, chosen uniformly (step 5 of the method). */
export function drawMask(random: RandomStream, { cells, patch, patches }: MaskGrid): BigInt64Array {
  const side = cells / patch;
  const chosen = random.permutation(side * side).subarray(0, patches);
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
