/** @file RankMe (Garrido et al. 2023): how many directions features use. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** Means of features [.., C]. */
export interface FeatureMoments {
  /** Mean of each channel, [C]. */
  readonly mean: ArrayLike<number>;
  /** Mean of x x^T, [C, C]. */
  readonly gram: Float32Array | Float64Array;
}

/**
 * exp of the entropy of the normalised singular values of features whose second moments are `gram` [C, C], from 1 to C:
 * their singular values are the roots of its eigenvalues. NaN if they diverged.
 */
export function effectiveRank(gram: FeatureMoments["gram"], channels: number): number {
  if (!gram.every(Number.isFinite)) return Number.NaN;
  const matrix = Matrix.from1DArray(channels, channels, gram);
  const { realEigenvalues } = new EigenvalueDecomposition(matrix, { assumeSymmetric: true });
  const singular = realEigenvalues.map((value) => Math.sqrt(Math.max(0, value)));
  const total = singular.reduce((a, b) => a + b, 0);
  if (!(total > 0)) return 1;
  const entropy = singular.reduce((sum, s) => (s > 0 ? sum - (s / total) * Math.log(s / total) : sum), 0);
  return Math.exp(entropy);
}

/** The same about the mean, for features that are not normalised: the directions in which they vary. */
export function centredRank({ mean, gram }: FeatureMoments): number {
  const channels = mean.length;
  const about = gram.map((value, i) => value - mean[Math.floor(i / channels)] * mean[i % channels]);
  return effectiveRank(about, channels);
}
