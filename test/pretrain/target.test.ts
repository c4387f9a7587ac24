import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { floats } from "../../src/core/tensor-data.js";
import { Graph } from "../../src/graph/graph.js";
import { interpret } from "../../src/graph/interpret.js";
import { type TargetOptions, target } from "../../src/pretrain/method.js";

const [IMAGES, CHANNELS, SIDE] = [2, 3, 4];
const POSITIONS = SIDE * SIDE;

/** Features [N,C,H,W], each channel of each image with a mean and a spread of its own. */
const features = new RandomStream({ seed: 5, purpose: "features" }).fillNormal(
  new Float32Array(IMAGES * CHANNELS * POSITIONS),
);
for (let i = 0; i < features.length; i++) {
  const row = Math.floor(i / POSITIONS);
  features[i] = 3 * row + (row + 1) * features[i];
}

/** T [N,P,C] of them. */
function targetOf(targetNorm: TargetOptions["targetNorm"]): Float64Array {
  const graph = new Graph("target");
  const map = graph.input("map", "float32", [IMAGES, CHANNELS, SIDE, SIDE]);
  const result = target({ multiScale: [map, map, map], maskFeatures: map }, { featureStride: 8, targetNorm });
  expect(result.shape).toEqual([IMAGES, POSITIONS, CHANNELS]);
  return interpret([result], new Map([["map", floats(map.shape, features)]]))[0].data as Float64Array;
}

/** Mean and deviation of each run of `count` numbers, `stride` apart. */
function momentsOf(values: Float64Array, starts: readonly number[], count: number, stride: number) {
  return starts.map((start) => {
    const run = Array.from({ length: count }, (_, i) => values[start + i * stride]);
    const mean = run.reduce((a, b) => a + b, 0) / count;
    return { mean, deviation: Math.sqrt(run.reduce((sum, v) => sum + (v - mean) ** 2, 0) / count) };
  });
}
const positions = (values: Float64Array) =>
  momentsOf(
    values,
    Array.from({ length: IMAGES * POSITIONS }, (_, i) => i * CHANNELS),
    CHANNELS,
    1,
  );
const channels = (values: Float64Array) =>
  momentsOf(
    values,
    Array.from(
      { length: IMAGES * CHANNELS },
      (_, i) => Math.floor(i / CHANNELS) * POSITIONS * CHANNELS + (i % CHANNELS),
    ),
    POSITIONS,
    CHANNELS,
  );
const standard = (moments: { mean: number; deviation: number }[]) =>
  moments.every(({ mean, deviation }) => Math.abs(mean) < 1e-6 && Math.abs(deviation - 1) < 1e-3);

describe("the target's normalisation", () => {
  test.each([
    { norm: "channels", ofPositions: true, ofChannels: false },
    { norm: "positions", ofPositions: false, ofChannels: true },
    { norm: "both", ofPositions: false, ofChannels: true },
  ] as const)("$norm", ({ norm, ofPositions, ofChannels }) => {
    const values = targetOf(norm);
    expect(standard(positions(values))).toBe(ofPositions);
    expect(standard(channels(values))).toBe(ofChannels);
  });

  test("both is the positions' norm of the channels' norm", () => {
    const over = targetOf("channels");
    const moments = channels(over);
    const expected = over.map((value, i) => {
      const { mean, deviation } = moments[Math.floor(i / (POSITIONS * CHANNELS)) * CHANNELS + (i % CHANNELS)];
      return (value - mean) / Math.sqrt(deviation ** 2 + 1e-5);
    });
    const found = targetOf("both");
    expected.forEach((value, i) => {
      expect(found[i]).toBeCloseTo(value, 9);
    });
  });
});
