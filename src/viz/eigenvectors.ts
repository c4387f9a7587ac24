/** @file The leading eigenvectors of a symmetric matrix. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { ShapeError } from "../core/errors.js";

export interface EigenPairs {
  /** Falling. */
  readonly values: readonly number[];
  /** Orthonormal, one per value. */
  readonly vectors: readonly Float64Array[];
}

/** The `count` largest eigenvalues of the positive semi-definite `matrix` [n, n], with their vectors. */
export function leadingEigenvectors(matrix: Float64Array, n: number, count: number): EigenPairs {
  if (!matrix.every(Number.isFinite)) throw new ShapeError("leadingEigenvectors", "finite numbers", "NaN or infinity");
  const whole = new EigenvalueDecomposition(Matrix.from1DArray(n, n, matrix), { assumeSymmetric: true });
  const order = whole.realEigenvalues
    .map((_, i) => i)
    .sort((a, b) => whole.realEigenvalues[b] - whole.realEigenvalues[a]);
  const chosen = order.slice(0, count);
  return {
    values: chosen.map((i) => Math.max(0, whole.realEigenvalues[i])),
    vectors: chosen.map((i) => Float64Array.from(whole.eigenvectorMatrix.getColumn(i))),
  };
}
