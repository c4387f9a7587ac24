/** @file What tells a collapse: spread and effective rank of the target and of F_last, and how much is predicted. */

import { EigenvalueDecomposition, Matrix } from "ml-matrix";

/** Means over a batch of what every micro-batch reports of features [K, C]. */
export interface FeatureMoments {
  /** Mean of each channel, [C]. */
  mean: Float32Array;
  /** Mean of t t^T, [C, C]. */
  gram: Float32Array;
}

/** Of target features. */
export interface CollapseMonitors {
  /** Standard deviation over positions, mean over channels; 1 at most, as targets are layer-normed. */
  targetStd: number;
  /** exp of the entropy of the normalised singular values (RankMe, Garrido et al. 2023), from 1 to C. */
  effectiveRank: number;
  /** Mean squared error of predicting the mean feature: what a predictor that learns nothing reaches. */
  meanError: number;
}

export function collapseMonitors({ mean, gram }: FeatureMoments): CollapseMonitors {
  const channels = mean.length;
  const variances = Array.from(mean, (m, i) => Math.max(0, gram[i * channels + i] - m * m));
  const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / channels;
  return {
    targetStd: average(variances.map(Math.sqrt)),
    effectiveRank: effectiveRank(gram, channels),
    meanError: average(variances),
  };
}

/**
 * RankMe of features whose second moments are `gram`: their singular values are the roots of its eigenvalues. NaN if
 * they diverged.
 */
export function effectiveRank(gram: Float32Array, channels: number): number {
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
