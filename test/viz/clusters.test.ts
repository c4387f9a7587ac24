import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/core/errors.js";
import type { FeatureMap } from "../../src/core/image.js";
import { RandomStream } from "../../src/core/random.js";
import { bestAssignment } from "../../src/viz/assignment.js";
import { matchClusters } from "../../src/viz/cluster-matching.js";
import { kMeans } from "../../src/viz/k-means.js";

/** Vertical bands of the given widths, each with a mean of its own plus noise. */
function bands(widths: number[], height: number, channels: number, noise: number, seed = 1): FeatureMap {
  const random = new RandomStream({ seed, purpose: "bands" });
  const means = widths.map(() => random.fillNormal(new Float32Array(channels)));
  const bandOf = widths.flatMap((width, k) => new Array<number>(width).fill(k));
  const data = new Float32Array(channels * height * bandOf.length);
  for (let i = 0; i < data.length; i++) {
    const mean = means[bandOf[i % bandOf.length]][Math.floor(i / (height * bandOf.length))];
    data[i] = mean + noise * random.normal();
  }
  return { data, channels, height, width: bandOf.length };
}

describe("kMeans", () => {
  it("finds well separated clusters and numbers them by size", () => {
    const { labels } = kMeans(bands([5, 9, 3, 12, 7], 8, 32, 0.1), { clusters: 5 });
    const bySize = [3, 1, 4, 0, 2];
    const expected = [5, 9, 3, 12, 7].flatMap((width, k) => new Array<number>(width).fill(bySize[k]));
    for (let y = 0; y < 8; y++) expect(Array.from(labels.subarray(36 * y, 36 * (y + 1)))).toEqual(expected);
  });

  it("also finds them when restarts see only a part of the positions, and reports the inertia", () => {
    const features = bands([20, 30, 10, 25, 15], 50, 16, 0.2);
    const { labels, inertia, centres } = kMeans(features, { seed: 4 });
    expect(labels.length).toBe(5000);
    const sizes = [0, 1, 2, 3, 4].map((k) => labels.filter((label) => label === k).length);
    expect(sizes).toEqual([1500, 1250, 1000, 750, 500]);
    // Within-cluster variance is the noise's, 0.04 a channel.
    expect(inertia / (5000 * 16)).toBeCloseTo(0.04, 3);
    const direct = labels.reduce((sum, label, p) => {
      for (let c = 0; c < 16; c++) sum += (features.data[c * 5000 + p] - centres[label * 16 + c]) ** 2;
      return sum;
    }, 0);
    expect(inertia).toBeCloseTo(direct, 3);
  });

  it("repeats for the same seed and differs in its restarts for another", () => {
    const features = bands([64], 64, 8, 1);
    const first = kMeans(features, { seed: 1 });
    expect(kMeans(features, { seed: 1 })).toEqual(first);
    expect(kMeans(features, { seed: 2 }).inertia).not.toBe(first.inertia);
  });

  it("survives positions that are all alike, and as many clusters as positions", () => {
    const alike = { data: new Float32Array(4 * 9).fill(2), channels: 4, height: 3, width: 3 };
    expect(kMeans(alike, { clusters: 5 }).inertia).toBe(0);
    const distinct = { data: Float32Array.of(0, 10, 20, 30), channels: 1, height: 2, width: 2 };
    expect(new Set(kMeans(distinct, { clusters: 4 }).labels).size).toBe(4);
  });

  it("refuses what it cannot cluster", () => {
    const features = bands([2], 2, 3, 1);
    expect(() => kMeans(features, { clusters: 5 })).toThrow(/1 to 4 clusters/);
    expect(() => kMeans({ ...features, width: 3 })).toThrow(ShapeError);
    features.data[7] = Number.NaN;
    expect(() => kMeans(features, { clusters: 2 })).toThrow(/finite features, found NaN in channel 1/);
  });
});

describe("matching", () => {
  it("assigns exactly: as good as the best of all permutations", () => {
    const permutations = (items: number[]): number[][] =>
      items.length === 0
        ? [[]]
        : items.flatMap((i) => permutations(items.filter((j) => j !== i)).map((p) => [i, ...p]));
    const score = fc.array(fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 5, maxLength: 5 }), {
      minLength: 5,
      maxLength: 5,
    });
    fc.assert(
      fc.property(score, (table) => {
        const total = (places: number[]) => places.reduce((sum, place, i) => sum + table[i][place], 0);
        const places = bestAssignment(table);
        expect(places.toSorted()).toEqual([0, 1, 2, 3, 4]);
        expect(total(places)).toBe(Math.max(...permutations([0, 1, 2, 3, 4]).map(total)));
      }),
      { seed: 1, numRuns: 100 },
    );
  });

  it("gives a renumbered label map its old numbers back, in spite of some noise", () => {
    const random = new RandomStream({ seed: 3, purpose: "labels" });
    const reference = Uint8Array.from({ length: 400 }, () => random.integer(5));
    const renumbered = reference.map((label) => [3, 0, 4, 2, 1][label]);
    expect(matchClusters(reference, renumbered, 5)).toEqual(reference);
    renumbered.fill(2, 0, 40);
    const matched = matchClusters(reference, renumbered, 5);
    expect(matched.subarray(40)).toEqual(reference.subarray(40));
  });

  it("prefers the best total over the largest single overlap", () => {
    // Cluster 0 overlaps 0 by 5 and 1 by 4; cluster 1 overlaps 0 by 4 only: swapping wins 8 to 5.
    const labels = Uint8Array.from([0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1]);
    const reference = Uint8Array.from([0, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
    expect(matchClusters(reference, labels, 2)[0]).toBe(1);
  });

  it("refuses label maps that do not fit", () => {
    expect(() => matchClusters(new Uint8Array(4), new Uint8Array(5), 5)).toThrow(ShapeError);
    expect(() => matchClusters(new Uint8Array(4), new Uint8Array(4).fill(5), 5)).toThrow(/labels below 5/);
  });
});
