/** @file Who predicts which object: the assignment of least total cost. */

import { linearSumAssignment } from "linear-sum-assignment";

export interface Assignment {
  /** Queries that got an object, ascending. */
  readonly queries: readonly number[];
  /** The object of each. */
  readonly objects: readonly number[];
}

/**
 * Assigns min(queries, objects) pairs such that the sum of `costs[query][object]` is least; deterministic for equal
 * costs.
 * @throws RangeError for a cost that is NaN or infinite
 */
export function assignObjects(costs: readonly Float64Array[]): Assignment {
  const objects = costs[0]?.length ?? 0;
  if (objects === 0) return { queries: [], objects: [] };
  for (const row of costs) {
    for (const cost of row) if (!Number.isFinite(cost)) throw new RangeError(`a matching cost is ${cost}`);
  }
  const { rowAssignments } = linearSumAssignment([...costs], { maximaze: false });
  const pairs = Array.from(rowAssignments, (object, query) => [query, object]).filter(([, object]) => object >= 0);
  return { queries: pairs.map(([query]) => query), objects: pairs.map(([, object]) => object) };
}
