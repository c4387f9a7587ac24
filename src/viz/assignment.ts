/** @file The best one-to-one assignment of a few things to a few places. */

import { ShapeError } from "../core/errors.js";

/**
 * The permutation that maximises sum_i score[i][place[i]]; ties go to the earlier place.
 * Exact, by dynamic programming over subsets of places: O(n 2^n), so meant for n up to about 16.
 */
export function bestAssignment(score: readonly (readonly number[])[]): number[] {
  const n = score.length;
  if (n > 20 || score.some((row) => row.length !== n)) {
    throw new ShapeError(
      "bestAssignment",
      "a square table of at most 20 rows",
      `rows of ${score.map((r) => r.length)}`,
    );
  }
  // best[taken] = highest score of the first |taken| rows in the places of the bit set `taken`.
  const best = new Float64Array(2 ** n).fill(Number.NEGATIVE_INFINITY);
  const last = new Uint8Array(2 ** n);
  best[0] = 0;
  for (let taken = 0; taken < best.length - 1; taken++) {
    const row = score[bitCount(taken)];
    for (let place = 0; place < n; place++) {
      const next = taken | (1 << place);
      if (next === taken || !(best[taken] + row[place] > best[next])) continue;
      best[next] = best[taken] + row[place];
      last[next] = place;
    }
  }
  const places = new Array<number>(n);
  for (let i = n - 1, taken = best.length - 1; i >= 0; i--) {
    places[i] = last[taken];
    taken &= ~(1 << places[i]);
  }
  return places;
}

function bitCount(bits: number): number {
  let count = 0;
  for (; bits; bits &= bits - 1) count++;
  return count;
}
