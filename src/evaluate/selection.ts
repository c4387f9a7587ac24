/** @file Which images a page shows: the best and worst, those on which two models differ most, and some at random. */

import { RandomStream } from "../core/random.js";
import type { ImageScore } from "./evaluation.js";

interface Scored {
  readonly index: number;
  readonly score: number;
}

function scored(images: readonly ImageScore[]): Scored[] {
  return images.flatMap(({ index, score }) => (score === null ? [] : [{ index, score }]));
}

/**
 * The `count` best and the `count` worst images by their own scores, best and worst first, no image twice; equal scores
 * in the order of the source. Of fewer than `2 * count` images each half gets its share.
 */
export function bestAndWorst(images: readonly ImageScore[], count: number): { best: number[]; worst: number[] } {
  const order = scored(images).sort((a, b) => b.score - a.score || a.index - b.index);
  const worstCount = Math.min(count, Math.floor(order.length / 2));
  const bestCount = Math.min(count, order.length - worstCount);
  const indices = order.map(({ index }) => index);
  return {
    best: indices.slice(0, bestCount),
    worst: indices.slice(indices.length - worstCount).reverse(),
  };
}

/** The images on which two models' scores lie furthest apart, largest difference first; none where they agree. */
export function mostDifferent(a: readonly ImageScore[], b: readonly ImageScore[], count: number): number[] {
  const scoresOfB = new Map(scored(b).map(({ index, score }) => [index, score]));
  return scored(a)
    .flatMap(({ index, score }) => {
      const other = scoresOfB.get(index);
      return other === undefined || other === score ? [] : [{ index, score: Math.abs(score - other) }];
    })
    .sort((x, y) => y.score - x.score || x.index - y.index)
    .slice(0, count)
    .map(({ index }) => index);
}

/** `count` of the indices at random, the same ones every time, in their own order. */
export function randomFew(indices: readonly number[], count: number): number[] {
  const order = new RandomStream({ seed: 0, purpose: "evaluation-pictures" }).permutation(indices.length);
  return Array.from(order.subarray(0, count))
    .sort((a, b) => a - b)
    .map((i) => indices[i]);
}

/** `count` of `length` indices, evenly spaced from the first on; all when there are not more. */
export function evenlySpaced(length: number, count = length): number[] {
  const kept = Math.min(length, count);
  return Array.from({ length: kept }, (_, i) => Math.floor((i * length) / kept));
}
