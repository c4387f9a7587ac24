/**
 * @file k-means of one image's features: k-means++ seeds (Arthur and Vassilvitskii, SODA 2007), then Lloyd's
 * iterations.
 */

import { ShapeError } from "../core/errors.js";
import type { FeatureMap } from "../core/image.js";
import { RandomStream } from "../core/random.js";
import { positionsOf } from "./feature-map.js";

export interface Clustering {
  /** [height * width] cluster of each position; cluster 0 is the largest, the last one the smallest. */
  labels: Uint8Array;
  /** [clusters, channels]. */
  centres: Float32Array;
  /** Sum of the squared distances to the nearest centre. */
  inertia: number;
}

export interface KMeansOptions {
  clusters?: number;
  seed?: number;
  restarts?: number;
}

/** Points as rows, [count, channels]: a point's channels lie together, as distances want them. */
interface Points {
  readonly rows: Float32Array;
  readonly count: number;
  readonly channels: number;
}

/** Restarts compete on at most this many positions; the winner then runs on all of them. */
const RESTART_POSITIONS = 2048;
const MAX_ITERATIONS = 30;
/** Lloyd stops once at most this share of the points changes cluster. */
const SETTLED = 1e-3;

/** Clusters the positions of a feature map by squared Euclidean distance. The result depends on the arguments alone. */
export function kMeans(features: FeatureMap, { clusters = 5, seed = 0, restarts = 4 }: KMeansOptions = {}): Clustering {
  const count = positionsOf("kMeans", features);
  if (clusters < 1 || clusters > Math.min(count, 256)) {
    throw new ShapeError("kMeans", `1 to ${Math.min(count, 256)} clusters for ${count} positions`, `${clusters}`);
  }
  const points = pointsOf(features, count);
  const subset = subsetOf(points, new RandomStream({ seed, purpose: "k-means subset" }));
  let best: Clustering | undefined;
  for (let sample = 0; sample < restarts; sample++) {
    const centres = plusPlusSeeds(subset, clusters, new RandomStream({ seed, purpose: "k-means seeds", sample }));
    const candidate = lloyd(subset, centres);
    if (!best || candidate.inertia < best.inertia) best = candidate;
  }
  if (!best) throw new ShapeError("kMeans", "at least 1 restart", `${restarts}`);
  return largestFirst(subset === points ? best : lloyd(points, best.centres), features.channels);
}

function pointsOf({ data, channels }: FeatureMap, count: number): Points {
  const rows = new Float32Array(data.length);
  for (let c = 0; c < channels; c++) {
    for (let p = 0, from = c * count, to = c; p < count; p++, to += channels) rows[to] = data[from + p];
  }
  return { rows, count, channels };
}

function subsetOf(points: Points, random: RandomStream): Points {
  if (points.count <= RESTART_POSITIONS) return points;
  const chosen = random.permutation(points.count).subarray(0, RESTART_POSITIONS);
  const rows = new Float32Array(chosen.length * points.channels);
  chosen.forEach((p, i) => {
    rows.set(row(points, p), i * points.channels);
  });
  return { rows, count: chosen.length, channels: points.channels };
}

const row = ({ rows, channels }: Points, p: number) => rows.subarray(p * channels, (p + 1) * channels);

/** |a_i - b_j|^2 for row i of `a` and row j of `b`; four partial sums keep the adder busy. */
function squaredDistance(a: Float32Array, i: number, b: Float32Array, j: number, channels: number): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let at = i * channels;
  let bt = j * channels;
  const end = at + channels;
  for (; at + 3 < end; at += 4, bt += 4) {
    const d0 = a[at] - b[bt];
    const d1 = a[at + 1] - b[bt + 1];
    const d2 = a[at + 2] - b[bt + 2];
    const d3 = a[at + 3] - b[bt + 3];
    s0 += d0 * d0;
    s1 += d1 * d1;
    s2 += d2 * d2;
    s3 += d3 * d3;
  }
  for (; at < end; at++, bt++) s0 += (a[at] - b[bt]) ** 2;
  return s0 + s1 + (s2 + s3);
}

/** Each further seed is a point drawn with probability proportional to its squared distance from the seeds so far. */
function plusPlusSeeds(points: Points, clusters: number, random: RandomStream): Float32Array {
  const { rows, count, channels } = points;
  const centres = new Float32Array(clusters * channels);
  const nearest = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  let seed = random.integer(count);
  for (let k = 0; k < clusters; k++) {
    centres.set(row(points, seed), k * channels);
    let total = 0;
    for (let p = 0; p < count; p++) {
      nearest[p] = Math.min(nearest[p], squaredDistance(rows, p, centres, k, channels));
      total += nearest[p];
    }
    let left = random.uniform(0, total);
    seed = nearest.findIndex((distance) => {
      left -= distance;
      return left < 0;
    });
    // All points coincide with a seed (or rounding ate the tail): any point does.
    if (seed < 0) seed = random.integer(count);
  }
  return centres;
}

/** Alternates nearest-centre assignment and centre update. `seeds` are left alone. */
function lloyd(points: Points, seeds: Float32Array): Clustering {
  const { count } = points;
  const centres = seeds.slice();
  const labels = new Uint8Array(count).fill(255);
  const distances = new Float64Array(count);
  for (let iteration = 1; ; iteration++) {
    const changed = assign(points, centres, labels, distances);
    if (changed <= SETTLED * count || iteration === MAX_ITERATIONS) break;
    update(points, centres, labels, distances);
  }
  return { labels, centres, inertia: distances.reduce((sum, distance) => sum + distance, 0) };
}

/** Writes each point's nearest centre and its distance; returns how many labels changed. */
function assign(points: Points, centres: Float32Array, labels: Uint8Array, distances: Float64Array): number {
  const { rows, count, channels } = points;
  const clusters = centres.length / channels;
  let changed = 0;
  for (let p = 0; p < count; p++) {
    let label = 0;
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < clusters; k++) {
      const distance = squaredDistance(rows, p, centres, k, channels);
      if (distance < least) {
        label = k;
        least = distance;
      }
    }
    if (label !== labels[p]) changed++;
    labels[p] = label;
    distances[p] = least;
  }
  return changed;
}

/** Moves each centre to its cluster's mean, and the centre of an empty cluster to the point worst served so far. */
function update(points: Points, centres: Float32Array, labels: Uint8Array, distances: Float64Array): void {
  const { rows, count, channels } = points;
  const sums = new Float64Array(centres.length);
  const sizes = new Uint32Array(centres.length / channels);
  for (let p = 0; p < count; p++) {
    sizes[labels[p]]++;
    for (let c = 0, from = p * channels, to = labels[p] * channels; c < channels; c++) sums[to + c] += rows[from + c];
  }
  for (let k = 0; k < sizes.length; k++) {
    if (sizes[k] > 0) {
      for (let i = k * channels; i < (k + 1) * channels; i++) centres[i] = sums[i] / sizes[k];
      continue;
    }
    const worst = distances.indexOf(distances.reduce((a, b) => Math.max(a, b)));
    centres.set(row(points, worst), k * channels);
    distances[worst] = 0;
  }
}

/** Renumbers the clusters by falling size, so that the numbering says something and repeats. */
function largestFirst({ labels, centres, inertia }: Clustering, channels: number): Clustering {
  const sizes = new Uint32Array(centres.length / channels);
  for (const label of labels) sizes[label]++;
  const order = Array.from(sizes.keys()).sort((a, b) => sizes[b] - sizes[a] || a - b);
  const sorted = new Float32Array(centres.length);
  order.forEach((old, k) => {
    sorted.set(centres.subarray(old * channels, (old + 1) * channels), k * channels);
  });
  return { labels: labels.map((label) => order.indexOf(label)), centres: sorted, inertia };
}
