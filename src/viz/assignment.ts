/** @file The best one-to-one assignment of things to places. */

import { linearSumAssignment } from "linear-sum-assignment";
import { ShapeError } from "../core/errors.js";

/** The permutation that maximises sum_i score[i][place[i]], for a square table of finite numbers. */
export function bestAssignment(score: readonly (readonly number[])[]): number[] {
  const n = score.length;
  if (score.some((row) => row.length !== n || !row.every(Number.isFinite))) {
    throw new ShapeError("bestAssignment", `${n} rows of ${n} finite numbers`, `rows of ${score.map((r) => r.length)}`);
  }
  const rows = score.map((row) => Float64Array.from(row));
  return Array.from(linearSumAssignment(rows, { maximaze: true }).rowAssignments);
}
