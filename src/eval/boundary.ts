/**
 * @file How well edges lie on the boundaries of labels: BSDS's boundary F-score (Martin et al. 2004) at the best
 * threshold for the whole set (ODS). An edge is right within a distance of a boundary, and a boundary is found within
 * that distance of an edge: the usual approximation of BSDS's one-to-one matching, which it bounds from above.
 */

import type { Size } from "../core/image.js";
import { IGNORED, type SemanticMap } from "../masks/segmentation.js";
import { checkSameSize } from "./scores.js";

export interface BoundaryOptions {
  /** Largest distance, as a share of the image's diagonal; BSDS's 0.0075 by default. */
  readonly tolerance?: number;
  /** Strengths are compared with thresholds this far apart, from one of them on to the 1000th. */
  readonly step?: number;
}

export interface EdgeMap extends Size {
  /** Row-major, `height * width`; 0 where there is no edge. */
  readonly strength: Float32Array;
}

export interface BoundaryScores {
  /** 2 P R / (P + R); null where there is no boundary or no edge. */
  readonly f: number | null;
  readonly precision: number | null;
  readonly recall: number | null;
  /** Strength from which on an edge counts. */
  readonly threshold: number | null;
}

const THRESHOLDS = 1000;

/** Evaluates images one after another; memory does not depend on how many. */
export function boundaryScore({ tolerance = 0.0075, step = 0.02 }: BoundaryOptions = {}) {
  const edges = new Float64Array(THRESHOLDS);
  const right = new Float64Array(THRESHOLDS);
  const found = new Float64Array(THRESHOLDS);
  let boundaries = 0;
  /** Thresholds that a strength reaches. */
  const reached = (strength: number) => Math.min(THRESHOLDS, Math.floor(strength / step));

  return {
    /** Edges near unlabelled pixels do not count. @throws InputError when sizes differ */
    add(truth: SemanticMap, { strength, ...size }: EdgeMap, where = "edges"): void {
      checkSameSize(truth, size, where);
      const { boundary, unknown } = labelBoundaries(truth);
      const disk = diskRows(tolerance * Math.hypot(size.width, size.height));
      const near = dilated(boundary, size, disk);
      const uncounted = dilated(unknown, size, disk);
      for (let i = 0; i < strength.length; i++) {
        const bin = reached(strength[i]) - 1;
        if (bin < 0 || uncounted[i]) continue;
        edges[bin]++;
        right[bin] += near[i];
      }
      for (let i = 0; i < boundary.length; i++) {
        if (!boundary[i]) continue;
        boundaries++;
        const bin = reached(strongest(strength, i, size, disk)) - 1;
        if (bin >= 0) found[bin]++;
      }
    },

    result(): BoundaryScores {
      let best: BoundaryScores = { f: null, precision: null, recall: null, threshold: null };
      let [all, good, hit] = [0, 0, 0];
      for (let bin = THRESHOLDS - 1; bin >= 0; bin--) {
        all += edges[bin];
        good += right[bin];
        hit += found[bin];
        if (all === 0 || boundaries === 0) continue;
        const [precision, recall] = [good / all, hit / boundaries];
        const f = good + hit === 0 ? 0 : (2 * precision * recall) / (precision + recall);
        if (best.f === null || f > best.f) best = { f, precision, recall, threshold: (bin + 1) * step };
      }
      return best;
    },
  };
}

/** Pixels with another class to the right or below, and pixels with an unlabelled one there or in their own place. */
export function labelBoundaries({ labels, width, height }: SemanticMap): { boundary: Uint8Array; unknown: Uint8Array } {
  const boundary = new Uint8Array(labels.length);
  const unknown = new Uint8Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const neighbours = [];
    if (i % width < width - 1) neighbours.push(labels[i + 1]);
    if (i < (height - 1) * width) neighbours.push(labels[i + width]);
    if (labels[i] === IGNORED || neighbours.includes(IGNORED)) unknown[i] = 1;
    if (labels[i] === IGNORED) continue;
    if (neighbours.some((label) => label !== IGNORED && label !== labels[i])) boundary[i] = 1;
  }
  return { boundary, unknown };
}

/** Rows of the disk of a radius: how far it reaches to either side, from the middle row on. */
function diskRows(radius: number): number[] {
  return Array.from({ length: Math.floor(radius) + 1 }, (_, dy) => Math.floor(Math.sqrt(radius * radius - dy * dy)));
}

/** Calls `row` with the start and the end of each row of the disk around a pixel. */
function eachDiskRow(
  pixel: number,
  { width, height }: Size,
  disk: readonly number[],
  row: (start: number, end: number) => void,
): void {
  const [x, y] = [pixel % width, Math.floor(pixel / width)];
  for (let dy = 1 - disk.length; dy < disk.length; dy++) {
    if (y + dy < 0 || y + dy >= height) continue;
    const reach = disk[Math.abs(dy)];
    const line = (y + dy) * width;
    row(line + Math.max(0, x - reach), line + Math.min(width, x + reach + 1));
  }
}

/** Pixels within the disk of a marked one. */
function dilated(mask: Uint8Array, size: Size, disk: readonly number[]): Uint8Array {
  const result = new Uint8Array(mask.length);
  for (let i = 0; i < mask.length; i++) {
    if (mask[i]) eachDiskRow(i, size, disk, (start, end) => result.fill(1, start, end));
  }
  return result;
}

/** The largest value within the disk around a pixel. */
function strongest(values: Float32Array, pixel: number, size: Size, disk: readonly number[]): number {
  let most = 0;
  eachDiskRow(pixel, size, disk, (start, end) => {
    for (let i = start; i < end; i++) if (values[i] > most) most = values[i];
  });
  return most;
}
