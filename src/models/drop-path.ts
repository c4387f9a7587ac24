/**
 * @file Drop path, also called stochastic depth (Huang et al. 2016): a residual branch is left out of a sample at
 * random.
 */

import { RandomStream } from "../core/random.js";
import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/** Rate of each of `blocks` blocks: linear from 0 to `largest`. */
export const dropPathRates = (blocks: number, largest: number): number[] =>
  Array.from({ length: blocks }, (_, i) => (blocks === 1 ? 0 : (largest * i) / (blocks - 1)));

/**
 * Fills the factors [blocks, 2] of the residual branches of one sample of a step: 0 at the block's rate, 1 / (1 - rate)
 * otherwise.
 */
export function drawKeepFactors(
  key: { seed: number; step: number; sample: number },
  largest: number,
  factors: Float32Array,
): void {
  const random = new RandomStream({ ...key, purpose: "drop path" });
  const rates = dropPathRates(factors.length / 2, largest);
  factors.forEach((_, i) => {
    const rate = rates[Math.floor(i / 2)];
    factors[i] = random.uniform() < rate ? 0 : 1 / (1 - rate);
  });
}

/** Residual branch x [N, P, C] times the factor of each sample in `keep` [N, blocks, 2]. */
export function dropPath(x: Tensor, keep: Tensor, block: number, branch: 0 | 1): Tensor {
  return g.mul(x, g.slice(g.slice(keep, 1, block, block + 1), 2, branch, branch + 1));
}
