/** @file The first three principal components of one image's features, as the red, green and blue of a picture. */

import { ShapeError } from "../core/errors.js";
import type { FeatureMap, Image, Size } from "../core/image.js";
import { bestAssignment } from "./assignment.js";
import { leadingEigenvectors } from "./eigenvectors.js";
import { positionsOf } from "./feature-map.js";
import { fromPlanes } from "./picture.js";

export interface PrincipalComponents extends Size {
  /** Three planes of [height * width] projections on the components; each has mean 0. */
  readonly planes: readonly Float32Array[];
  /** Share of the features' variance along each component. */
  readonly explained: readonly number[];
}

/** Projections beyond these percentiles saturate, so that a few outliers do not wash the picture out. */
const LOW_PERCENTILE = 0.02;
const HIGH_PERCENTILE = 0.98;

/**
 * Projects the positions of a feature map on its first three principal components, by falling variance. A component's
 * largest loading is positive, which fixes its sign. With fewer than three channels the missing planes are 0.
 */
export function principalComponents(features: FeatureMap): PrincipalComponents {
  const positions = positionsOf("principalComponents", features);
  const { channels, width, height, data } = features;
  const means = Float64Array.from({ length: channels }, (_, c) =>
    mean(data.subarray(c * positions, (c + 1) * positions)),
  );
  const matrix = covariance(features, positions, means);
  const { values, vectors } = leadingEigenvectors(matrix, channels, Math.min(3, channels));
  const variance = means.reduce((sum, _, c) => sum + matrix[c * channels + c], 0);
  const planes = [0, 1, 2].map((k) => {
    const plane = new Float64Array(positions);
    if (k >= channels || !(values[k] > 1e-12 * variance)) return Float32Array.from(plane);
    const loadings = signed(vectors[k]);
    for (let c = 0; c < channels; c++) {
      for (let p = 0, from = c * positions; p < positions; p++) plane[p] += loadings[c] * (data[from + p] - means[c]);
    }
    return Float32Array.from(plane);
  });
  return { width, height, planes, explained: [0, 1, 2].map((k) => (variance > 0 ? (values[k] ?? 0) / variance : 0)) };
}

/**
 * Reorders and flips components so that each correlates with the reference's component of the same colour: two pictures
 * of the same image can then be compared by colour. No colour is mixed, so each channel still is one component.
 */
export function alignComponents(reference: PrincipalComponents, components: PrincipalComponents): PrincipalComponents {
  if (reference.width !== components.width || reference.height !== components.height) {
    const size = ({ width, height }: PrincipalComponents) => `${width} x ${height}`;
    throw new ShapeError("alignComponents", `components of ${size(reference)} positions`, size(components));
  }
  const correlations = reference.planes.map((a) => components.planes.map((b) => correlation(a, b)));
  const source = bestAssignment(correlations.map((row) => row.map(Math.abs)));
  return {
    ...components,
    planes: source.map((k, i) => components.planes[k].map((value) => (correlations[i][k] < 0 ? -value : value))),
    explained: source.map((k) => components.explained[k]),
  };
}

/** Each component stretched between its percentiles to one colour channel; a component without variance is mid-grey. */
export function componentPicture({ planes, width, height }: PrincipalComponents): Image {
  const scaled = new Float32Array(3 * width * height);
  planes.forEach((plane, k) => {
    const sorted = plane.toSorted();
    const low = sorted[Math.round(LOW_PERCENTILE * (sorted.length - 1))];
    const range = sorted[Math.round(HIGH_PERCENTILE * (sorted.length - 1))] - low;
    scaled.set(range > 0 ? plane.map((value) => (value - low) / range) : plane.map(() => 0.5), k * plane.length);
  });
  return fromPlanes(scaled, width, height);
}

function mean(values: Float32Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The vector or its opposite, whichever has its largest entry positive. */
function signed(vector: Float64Array): Float64Array {
  const largest = vector.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  return largest < 0 ? vector.map((value) => -value) : vector;
}

function correlation(a: Float32Array, b: Float32Array): number {
  let aa = 0;
  let bb = 0;
  let ab = 0;
  for (let p = 0; p < a.length; p++) {
    aa += a[p] * a[p];
    bb += b[p] * b[p];
    ab += a[p] * b[p];
  }
  return aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : 0;
}

/** [channels, channels] covariance over the positions, in tiles of positions that stay in the cache. */
function covariance({ data, channels }: FeatureMap, positions: number, means: Float64Array): Float64Array {
  const tile = 1024;
  const sums = new Float64Array(channels * channels);
  const centred = new Float32Array(channels * tile);
  for (let start = 0; start < positions; start += tile) {
    const length = Math.min(tile, positions - start);
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < length; p++) centred[c * tile + p] = data[c * positions + start + p] - means[c];
    }
    for (let i = 0; i < channels; i++) {
      for (let j = 0; j <= i; j++) sums[i * channels + j] += product(centred, i * tile, j * tile, length);
    }
  }
  for (let i = 0; i < channels; i++) {
    for (let j = 0; j <= i; j++) {
      sums[i * channels + j] /= positions;
      sums[j * channels + i] = sums[i * channels + j];
    }
  }
  return sums;
}

/** Dot product of two runs of `values`; four partial sums keep the adder busy. */
function product(values: Float32Array, i: number, j: number, length: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  const end = i + length;
  for (; i + 3 < end; i += 4, j += 4) {
    s0 += values[i] * values[j];
    s1 += values[i + 1] * values[j + 1];
    s2 += values[i + 2] * values[j + 2];
    s3 += values[i + 3] * values[j + 3];
  }
  for (; i < end; i++, j++) s0 += values[i] * values[j];
  return s0 + s1 + (s2 + s3);
}
