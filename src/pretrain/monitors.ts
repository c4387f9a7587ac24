/** @file What tells a collapse: spread and effective rank of the target and of F_last, and how much is predicted. */

import { type FeatureMoments, rankMe } from "../features/effective-rank.js";

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
    effectiveRank: rankMe(gram, channels),
    meanError: average(variances),
  };
}
