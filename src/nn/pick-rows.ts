/** @file Rows of a matrix in another order, whose gradient is again a choice of rows. */

import { ShapeError } from "../core/errors.js";
import * as g from "../graph/build.js";
import { withGradient } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";

const indices = (graph: Graph, shape: readonly number[], rows: readonly number[]) =>
  graph.constant({ dtype: "int64", shape, data: BigInt64Array.from(rows, BigInt) });

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
  const flat = picks.flat();
  const places = Array.from({ length: rows }, (): number[] => []);
  flat.forEach((row, place) => {
    places[row].push(place);
  });
  const own = places.slice(0, rows - shared);
  const times = places.at(-1)?.length ?? 0;
  const repeated = own.some((found) => found.length > 1) || places.slice(rows - shared).some((f) => f.length !== times);
  if (repeated) {
    const expected = `each row at most once, the last ${shared} equally often`;
    throw new ShapeError("rowPicker", expected, `rows ${flat.slice(0, 20)}${flat.length > 20 ? ", .." : ""}`);
  }
  const unused = own.some((found) => found.length === 0);
  // A row that nobody chose points at a row of zeros behind all others.
  const ownPlaces = indices(
    graph,
    [own.length],
    own.map(([place]) => place ?? flat.length),
  );
  const sharedPlaces = indices(graph, [shared, times], shared > 0 ? places.slice(rows - shared).flat() : []);

  return (x) => {
    const width = x.shape[1];
    const forward = () => chosen.map((rowsOf) => g.gather(x, rowsOf));
    return withGradient(graph, forward, (dys, into) => {
      const dy = g.concat(
        picks.map((pick, i) => dys[i] ?? g.zerosLike(x, [pick.length, width])),
        0,
      );
      const dOwn = g.gather(unused ? g.concat([dy, g.zerosLike(x, [1, width])], 0) : dy, ownPlaces);
      if (shared === 0) into.accumulate(x, dOwn);
      else into.accumulate(x, g.concat([dOwn, g.reduceSum(g.gather(dy, sharedPlaces), [1])], 0));
    });
  };
}
