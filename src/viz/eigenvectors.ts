/** @file The leading eigenvectors of a symmetric matrix: subspace iteration with Rayleigh-Ritz (Golub and Van Loan, 8.2). */

import { RandomStream } from "../core/random.js";

export interface EigenPairs {
  /** Falling. */
  values: number[];
  /** Orthonormal, one per value. */
  vectors: Float64Array[];
}

/** Vectors carried beyond those asked for: the error shrinks by lambda[count + GUARD] / lambda[count] a round. */
const GUARD = 6;
const MAX_ROUNDS = 400;
/** Ritz values settle twice as fast as vectors, so this stands for about 1e-6 in a vector. */
const SETTLED = 1e-13;

/** The `count` largest eigenvalues of the positive semi-definite `matrix` [n, n], with their vectors. Deterministic. */
export function leadingEigenvectors(matrix: Float64Array, n: number, count: number): EigenPairs {
  const random = new RandomStream({ seed: 0, purpose: "subspace iteration" });
  let trace = 0;
  for (let i = 0; i < n; i++) trace += matrix[i * n + i];
  // A shift changes no eigenvector and keeps the iterated block of full rank when the matrix is not.
  const shift = trace > 0 ? 1e-10 * trace : 1;
  let block: Float64Array[] = Array.from({ length: Math.min(n, count + GUARD) }, () =>
    Float64Array.from({ length: n }, () => random.normal()),
  );
  let before = Number.POSITIVE_INFINITY;
  for (let round = 1; ; round++) {
    orthonormalise(block);
    const images = block.map((vector) => multiply(matrix, vector, shift));
    const ritz = jacobi(block.map((vector) => images.map((image) => dot(vector, image))));
    const sum = ritz.values.slice(0, count).reduce((a, b) => a + b, 0);
    if (Math.abs(sum - before) <= SETTLED * sum || round === MAX_ROUNDS) {
      const vectors = ritz.vectors.slice(0, count).map((weights) => combine(block, weights));
      return { values: ritz.values.slice(0, count).map((value) => Math.max(0, value - shift)), vectors };
    }
    before = sum;
    block = ritz.vectors.map((weights) => combine(images, weights));
  }
}

/** All eigenpairs of a small symmetric matrix by cyclic Jacobi rotations (Golub and Van Loan, 8.5), values falling. */
export function jacobi(matrix: readonly (readonly number[])[]): EigenPairs {
  const n = matrix.length;
  const a = matrix.map((row) => Float64Array.from(row));
  // Row i of `v` becomes the eigenvector of the i-th diagonal entry.
  const v = a.map((_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < 30; sweep++) {
    let rotated = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p][q]) <= 1e-17 * Math.sqrt(Math.abs(a[p][p] * a[q][q]))) continue;
        rotated = true;
        // tan of the angle that zeroes a[p][q]: the smaller root of t^2 + 2 theta t - 1 = 0.
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const cos = 1 / Math.hypot(t, 1);
        const sin = t * cos;
        for (const row of a) [row[p], row[q]] = [cos * row[p] - sin * row[q], sin * row[p] + cos * row[q]];
        for (const rows of [a, v]) {
          const [rowP, rowQ] = [rows[p], rows[q]];
          for (let j = 0; j < n; j++)
            [rowP[j], rowQ[j]] = [cos * rowP[j] - sin * rowQ[j], sin * rowP[j] + cos * rowQ[j]];
        }
      }
    }
    if (!rotated) break;
  }
  const order = Array.from(a.keys()).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v[i]) };
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** (matrix + shift I) x vector. */
function multiply(matrix: Float64Array, vector: Float64Array, shift: number): Float64Array {
  const n = vector.length;
  return vector.map((value, i) => dot(matrix.subarray(i * n, (i + 1) * n), vector) + shift * value);
}

function combine(vectors: Float64Array[], weights: Float64Array): Float64Array {
  const out = new Float64Array(vectors[0].length);
  vectors.forEach((vector, k) => {
    for (let i = 0; i < out.length; i++) out[i] += weights[k] * vector[i];
  });
  return out;
}

/** Gram-Schmidt in place; a second pass restores what cancellation in the first one lost. */
function orthonormalise(block: Float64Array[]): void {
  block.forEach((vector, k) => {
    for (let pass = 0; pass < 2; pass++) {
      for (const earlier of block.slice(0, k)) {
        const along = dot(vector, earlier);
        for (let i = 0; i < vector.length; i++) vector[i] -= along * earlier[i];
      }
      const length = Math.sqrt(dot(vector, vector));
      for (let i = 0; i < vector.length; i++) vector[i] /= length;
    }
  });
}
