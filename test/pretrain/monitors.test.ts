import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { type FeatureMoments, varianceRank } from "../../src/features/effective-rank.js";
import { collapseMonitors } from "../../src/pretrain/monitors.js";

const CHANNELS = 32;
const POSITIONS = 2000;

/** Moments of features [POSITIONS, CHANNELS], as the training step reports them. */
function momentsOf(feature: (position: number) => ArrayLike<number>): FeatureMoments {
  const mean = new Float32Array(CHANNELS);
  const gram = new Float32Array(CHANNELS ** 2);
  for (let position = 0; position < POSITIONS; position++) {
    const t = feature(position);
    for (let i = 0; i < CHANNELS; i++) {
      mean[i] += t[i] / POSITIONS;
      for (let j = 0; j < CHANNELS; j++) gram[i * CHANNELS + j] += (t[i] * t[j]) / POSITIONS;
    }
  }
  return { mean, gram };
}

const random = new RandomStream({ seed: 2, purpose: "features" });
const draw = () => random.fillNormal(new Float32Array(CHANNELS));

describe("collapse monitors", () => {
  test("random features have nearly full rank and spread 1", () => {
    const monitors = collapseMonitors(momentsOf(draw));
    expect(monitors.effectiveRank).toBeGreaterThan(0.95 * CHANNELS);
    expect(monitors.effectiveRank).toBeLessThanOrEqual(CHANNELS);
    expect(monitors.targetStd).toBeCloseTo(1, 1);
    expect(monitors.meanError).toBeCloseTo(1, 1);
  });

  test("the same feature everywhere has rank 1 and no spread", () => {
    const constant = draw();
    const monitors = collapseMonitors(momentsOf(() => constant));
    expect(monitors.effectiveRank).toBeLessThan(1.2); // float32 moments leave roots of 1e-7 in 31 directions
    expect(monitors.targetStd).toBeLessThan(0.01);
    expect(monitors.meanError).toBeLessThan(1e-4);
  });

  test("features along three directions have rank 3: a collapse of dimensions, seen without a loss of spread", () => {
    const directions = [draw(), draw(), draw()];
    const monitors = collapseMonitors(
      momentsOf(() => {
        const weights = directions.map(() => random.normal());
        return directions[0].map((_, i) => directions.reduce((sum, d, k) => sum + weights[k] * d[i], 0));
      }),
    );
    expect(monitors.effectiveRank).toBeGreaterThan(2.5);
    expect(monitors.effectiveRank).toBeLessThan(3.05);
    expect(monitors.targetStd).toBeGreaterThan(0.5);
  });

  test("the error of predicting the mean is the variance: 1/4 for coin flips of size 1/2", () => {
    const flips = momentsOf((position) => new Float32Array(CHANNELS).fill(position % 2 === 0 ? 0.5 : -0.5));
    expect(collapseMonitors(flips)).toMatchObject({
      meanError: expect.closeTo(0.25, 4),
      targetStd: expect.closeTo(0.5, 4),
    });
  });

  test("of the variance, neither a shift of all features nor weak directions count", () => {
    const far = momentsOf(() => draw().map((value) => 30 + value));
    expect(collapseMonitors(far).effectiveRank).toBeLessThan(10);
    expect(varianceRank(far)).toBeGreaterThan(0.95 * CHANNELS);
    const two = momentsOf(() => draw().map((value, c) => (c < 2 ? value : 0.05 * value)));
    expect(varianceRank(two)).toBeGreaterThan(2);
    expect(varianceRank(two)).toBeLessThan(3);
    expect(collapseMonitors(two).effectiveRank).toBeGreaterThan(9);
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("features with %f have no rank", (bad) => {
    const moments = momentsOf(draw);
    moments.gram[7] = bad;
    expect(collapseMonitors(moments).effectiveRank).toBeNaN();
  });

  test("all-zero features do not divide by zero", () => {
    const monitors = collapseMonitors({ mean: new Float32Array(CHANNELS), gram: new Float32Array(CHANNELS ** 2) });
    expect(monitors).toEqual({ effectiveRank: 1, targetStd: 0, meanError: 0 });
  });
});
