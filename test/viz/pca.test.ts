import { describe, expect, it } from "vitest";
import type { FeatureMap } from "../../src/core/image.js";
import { RandomStream } from "../../src/core/random.js";
import { leadingEigenvectors } from "../../src/viz/eigenvectors.js";
import { compareFeatures } from "../../src/viz/feature-comparison.js";
import { alignComponents, componentPicture, principalComponents } from "../../src/viz/pca.js";

/** Features that are `patterns` (functions of position, made zero-mean) times orthogonal channel directions. */
function patterned(patterns: ((x: number, y: number) => number)[], channels: number, size = 16): FeatureMap {
  const data = new Float32Array(channels * size * size);
  for (let p = 0; p < size * size; p++) {
    const [x, y] = [(p % size) / size, Math.floor(p / size) / size];
    // Columns of the cosine transform are orthogonal and of equal length.
    patterns.forEach((pattern, k) => {
      for (let c = 0; c < channels; c++) {
        data[c * size * size + p] += pattern(x, y) * Math.cos(((c + 0.5) * (k + 1) * Math.PI) / channels);
      }
    });
  }
  return { data, channels, height: size, width: size };
}

const wave = (amplitude: number, fx: number, fy: number) => (x: number, y: number) =>
  amplitude * Math.cos(2 * Math.PI * (fx * (x + 1 / 32) + fy * (y + 1 / 32)));

function correlation(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [aa, bb, ab] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    aa += a[i] ** 2;
    bb += b[i] ** 2;
    ab += a[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb);
}

const samples = (pattern: (x: number, y: number) => number, size = 16) =>
  Float32Array.from({ length: size * size }, (_, p) => pattern((p % size) / size, Math.floor(p / size) / size));

describe("leadingEigenvectors", () => {
  it("satisfies A v = lambda v for the largest lambda, with orthonormal vectors", () => {
    const n = 24;
    const random = new RandomStream({ seed: 5, purpose: "matrix" });
    const factor = Array.from({ length: n }, (_, i) => random.fillNormal(new Float32Array(n), 1 / (1 + i)));
    const rows = Array.from({ length: n }, (_, i) =>
      Array.from({ length: n }, (_, j) => factor.reduce((sum, f) => sum + f[i] * f[j], 0)),
    );
    const { values, vectors } = leadingEigenvectors(Float64Array.from(rows.flat()), n, 3);
    expect(values).toEqual([...values].sort((a, b) => b - a));
    const trace = rows.reduce((sum, row, i) => sum + row[i], 0);
    expect(values[2]).toBeGreaterThan((trace - values[0] - values[1] - values[2]) / (n - 3)); // none of the others
    vectors.forEach((vector, k) => {
      const product = (other: Float64Array) => vector.reduce((sum, v, i) => sum + v * other[i], 0);
      for (const [j, other] of vectors.entries()) expect(product(other)).toBeCloseTo(j === k ? 1 : 0, 8);
      rows.forEach((row, i) => {
        expect(row.reduce((sum, a, j) => sum + a * vector[j], 0)).toBeCloseTo(values[k] * vector[i], 5);
      });
    });
  });

  it("manages matrices of low rank and of rank zero", () => {
    const rankOne = Float64Array.from({ length: 100 }, (_, i) => (1 + (i % 10)) * (1 + Math.floor(i / 10)));
    const { values, vectors } = leadingEigenvectors(rankOne, 10, 3);
    expect(values[0]).toBeCloseTo(385, 6);
    expect(values[1]).toBeLessThan(1e-6);
    for (const vector of vectors) expect(Math.hypot(...vector)).toBeCloseTo(1, 9);
    expect(leadingEigenvectors(new Float64Array(16), 4, 3).values).toEqual([0, 0, 0]);
  });
});

describe("principal components", () => {
  const patterns = [wave(1, 1, 0), wave(3, 0, 1), wave(2, 1, 1)];

  it("recovers the patterns by falling variance, with their shares", () => {
    const { planes, explained } = principalComponents(patterned(patterns, 32));
    const order = [1, 2, 0];
    planes.forEach((plane, k) => {
      expect(Math.abs(correlation(plane, samples(patterns[order[k]])))).toBeCloseTo(1, 5);
    });
    [9 / 14, 4 / 14, 1 / 14].forEach((share, k) => {
      expect(explained[k]).toBeCloseTo(share, 5);
    });
  });

  it("aligns order and sign with a reference", () => {
    const before = principalComponents(patterned(patterns, 32));
    const swapped = patterned([wave(2, 1, 0), wave(-1, 0, 1), wave(-3, 1, 1)], 32);
    const after = alignComponents(before, principalComponents(swapped));
    after.planes.forEach((plane, k) => {
      expect(correlation(plane, before.planes[k])).toBeCloseTo(1, 5);
    });
    [1 / 14, 9 / 14, 4 / 14].forEach((share, k) => {
      expect(after.explained[k]).toBeCloseTo(share, 5);
    });
  });

  it("stretches each component to the full range, whatever a few outliers do", () => {
    const features = patterned(patterns, 32);
    for (let c = 0; c < 32; c++) features.data[c * 256] *= 20;
    const { data } = componentPicture(principalComponents(features));
    for (let c = 0; c < 3; c++) {
      const channel = data.filter((_, i) => i % 3 === c).toSorted();
      expect([channel[0], channel[255]]).toEqual([0, 255]);
      expect(channel[192] - channel[64]).toBeGreaterThan(80);
    }
  });

  it("paints missing components and constant features grey", () => {
    const one = componentPicture(principalComponents(patterned([wave(1, 1, 0)], 2)));
    expect(new Set(one.data.filter((_, i) => i % 3 === 2))).toEqual(new Set([128]));
    const constant = { data: new Float32Array(64).fill(3), channels: 4, height: 4, width: 4 };
    expect(new Set(componentPicture(principalComponents(constant)).data)).toEqual(new Set([128]));
  });
});

describe("compareFeatures", () => {
  it("keeps the colours of features that only changed their channels' order and sign", () => {
    const before = patterned([wave(3, 0, 1), wave(2, 1, 0), wave(1, 1, 1)], 16);
    const after = { ...before, data: before.data.slice() };
    for (let c = 0; c < 16; c++) {
      const source = before.data.subarray(c * 256, (c + 1) * 256);
      after.data.set(
        source.map((value) => -value),
        (15 - c) * 256,
      );
    }
    const pictures = compareFeatures(before, after, { seed: 1 });
    // Another numbering of the channels only changes the rounding of sums.
    const differing = (a: Uint8Array, b: Uint8Array) => a.filter((value, i) => Math.abs(value - b[i]) > 1).length;
    expect(differing(pictures.after.components.data, pictures.before.components.data)).toBe(0);
    expect(pictures.after.clusters).toEqual(pictures.before.clusters);
  });
});
