/** @file Gives the clusters of one picture the numbers, hence the colours, of the clusters they overlap in another. */

import { ShapeError } from "../core/errors.js";
import { bestAssignment } from "./assignment.js";

/** Renumbers `labels` by the permutation of 0..clusters-1 under which most positions agree with `reference`. */
export function matchClusters(reference: Uint8Array, labels: Uint8Array, clusters: number): Uint8Array {
  if (reference.length !== labels.length) {
    throw new ShapeError("matchClusters", `${reference.length} labels, as in the reference`, `${labels.length}`);
  }
  const overlap = Array.from({ length: clusters }, () => new Array<number>(clusters).fill(0));
  for (let p = 0; p < labels.length; p++) {
    if (labels[p] >= clusters || reference[p] >= clusters) {
      throw new ShapeError("matchClusters", `labels below ${clusters}`, `${Math.max(labels[p], reference[p])}`);
    }
    overlap[labels[p]][reference[p]]++;
  }
  const number = bestAssignment(overlap);
  return labels.map((label) => number[label]);
}
