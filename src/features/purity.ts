/** @file Purity of clusters: the share of labelled pixels that the commonest class of their own cluster has. */

import { type Score, share } from "../eval/scores.js";

/** Evaluates images one after another, each with clusters of its own. */
export function purityScore() {
  let [right, total, single] = [0, 0, 0];
  return {
    /** `clusters`: the cluster of each cell; `counts` [cells, classes]: labelled pixels of each class in it. */
    add(clusters: ArrayLike<number>, counts: Float32Array): void {
      const classes = counts.length / clusters.length;
      const ofCluster = new Map<number, Float64Array>();
      const ofImage = new Float64Array(classes);
      for (let cell = 0; cell < clusters.length; cell++) {
        const own = ofCluster.get(clusters[cell]) ?? new Float64Array(classes);
        ofCluster.set(clusters[cell], own);
        for (let k = 0; k < classes; k++) {
          own[k] += counts[cell * classes + k];
          ofImage[k] += counts[cell * classes + k];
        }
      }
      for (const own of ofCluster.values()) right += Math.max(...own);
      single += Math.max(...ofImage);
      total += ofImage.reduce((a, b) => a + b, 0);
    },
    /** `single`: what one cluster an image would have. */
    result: (): { purity: Score; single: Score } => ({ purity: share(right, total), single: share(single, total) }),
  };
}
