/** @file How many directions features use, in two ways. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** Means of features [.., C]. */
export interface FeatureMoments {
  /** Mean of each channel, [C]. */
  readonly mean: ArrayLike<number>;
  /** Mean of x x^T, [C, C]. */
  readonly gram: Float32Array | Float64Array;
}

/**
 * RankMe (Garrido et al. 2023) of features whose second moments are `gram` [C, C]: exp of the entropy of the normalised
 * singular values, from 1 to C. Weak directions count nearly as much as strong ones. NaN if the features diverged.
 */
export function rankMe(gram: FeatureMoments["gram"], channels: number): number {
  return exponentialEntropy(eigenvalues(gram, channels).map(Math.sqrt));
}

/**
 * Effective rank of the covariance (Roy and Vetterli 2007): exp of the entropy of the shares of the variance along the
 * principal components, from 1 to C. The directions that hold the variance count. NaN if the features diverged.
 */
export function varianceRank({ mean, gram }: FeatureMoments): number {
  const channels = mean.length;
  const covariance = gram.map((value, i) => value - mean[Math.floor(i / channels)] * mean[i % channels]);
  return exponentialEntropy(eigenvalues(covariance, channels));
}

/** Of a symmetric matrix without negative ones but for rounding. */
function eigenvalues(matrix: FeatureMoments["gram"], channels: number): number[] {
  if (!matrix.every(Number.isFinite)) return [Number.NaN];
  const whole = Matrix.from1DArray(channels, channels, matrix);
  const { realEigenvalues } = new EigenvalueDecomposition(whole, { assumeSymmetric: true });
  return realEigenvalues.map((value) => Math.max(0, value));
}

/** 1 where all values are 0. */
function exponentialEntropy(values: readonly number[]): number {
  const total = values.reduce((a, b) => a + b, 0);
  if (total === 0) return 1;
  return Math.exp(values.reduce((sum, v) => (v === 0 ? sum : sum - (v / total) * Math.log(v / total)), 0));
}
