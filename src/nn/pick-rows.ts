/** @file Rows of a matrix in another order, whose gradient is again a choice of rows. */

import { ShapeError } from "../core/errors.js";
import * as g from "../graph/build.js";
import { withGradient } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";

function indices(graph: Graph, shape: readonly number[], rows: ArrayLike<number>): Tensor {
  const data = new BigInt64Array(rows.length);
  for (let i = 0; i < rows.length; i++) data[i] = BigInt(rows[i]);
  return graph.constant({ dtype: "int64", shape, data });
}

/** How often each row is chosen. */
function countsOf(picks: RowChoice["picks"], rows: number): Int32Array {
  const counts = new Int32Array(rows);
  for (const pick of picks) for (const row of pick) counts[row]++;
  return counts;
}

export interface RowChoice {
  /** Number of rows to choose from. */
  rows: number;
  /** The chosen rows of each result, by number. */
  picks: readonly (readonly number[])[];
  /** The last `shared` rows may be chosen several times, each as often as the others; no other row more than once. */
  shared?: number;
}

/**
 * x [rows, D] -> one matrix [K, D] for each list of `picks`. The gradient of gathering alone would be a scatter with
 * addition; here it gathers from the results' gradients what became of each row, and sums over the places of shared
 * ones. The constants are made once, however often the function is applied.
 */
export function rowPicker(graph: Graph, { rows, picks, shared = 0 }: RowChoice): (x: Tensor) => readonly Tensor[] {
  const chosen = picks.map((pick) => indices(graph, [pick.length], pick));
  const length = picks.reduce((sum, pick) => sum + pick.length, 0);
  const times = countsOf(picks, rows);
  const often = times.at(-1) ?? 0;
  if (times.some((count, row) => (row < rows - shared ? count > 1 : count !== often))) {
    const expected = `each row at most once, the last ${shared} equally often`;
    throw new ShapeError("rowPicker", expected, `rows ${picks.flat().slice(0, 20)}${length > 20 ? ", .." : ""}`);
  }
  const unused = times.subarray(0, rows - shared).includes(0);
  /** The place of each row among the chosen ones, of a shared one its places; made for the first gradient. */
  let known: { own: Tensor; shared: Tensor } | undefined;
  const placesOf = () => {
    // A row that nobody chose points at a row of zeros behind all others.
    const own = new Int32Array(rows - shared).fill(length);
    const repeated = Array.from({ length: shared }, (): number[] => []);
    let place = 0;
    for (const pick of picks) {
      for (const row of pick) {
        if (row < own.length) own[row] = place++;
        else repeated[row - own.length].push(place++);
      }
    }
    return {
      own: indices(graph, [own.length], own),
      shared: indices(graph, [shared, often], shared > 0 ? repeated.flat() : []),
    };
  };

  return (x) => {
    const width = x.shape[1];
    const forward = () => chosen.map((rowsOf) => g.gather(x, rowsOf));
    return withGradient(graph, forward, (dys, into) => {
      const dy = g.concat(
        picks.map((pick, i) => dys[i] ?? g.zerosLike(x, [pick.length, width])),
        0,
      );
      known ??= placesOf();
      const dOwn = g.gather(unused ? g.concat([dy, g.zerosLike(x, [1, width])], 0) : dy, known.own);
      if (shared === 0) into.accumulate(x, dOwn);
      else into.accumulate(x, g.concat([dOwn, g.reduceSum(g.gather(dy, known.shared), [1])], 0));
    });
  };
}
