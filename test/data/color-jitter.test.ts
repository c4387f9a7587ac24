import { describe, expect, it } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { type ColorJitter, drawColorJitter, jitterColors } from "../../src/data/color-jitter.js";

function jittered(colors: readonly (readonly number[])[], jitter: Partial<ColorJitter>): number[][] {
  const image = { width: colors.length, height: 1, data: Uint8Array.from(colors.flat()) };
  jitterColors(image, { contrastFirst: true, ...jitter });
  return colors.map((_, i) => [...image.data.subarray(3 * i, 3 * i + 3)]);
}

const COLORS = [
  [200, 30, 40],
  [10, 220, 90],
  [60, 70, 250],
  [128, 128, 128],
  [255, 255, 0],
  [0, 255, 255],
  [1, 2, 3],
  [17, 200, 201],
  [255, 0, 128],
];

describe("colour jitter", () => {
  it("adds, multiplies, clips and truncates", () => {
    expect(jittered([[10, 14, 200]], { brightness: -13.7 })).toEqual([[0, 0, 186]]);
    expect(jittered([[10, 240, 200]], { brightness: 31.5 })).toEqual([[41, 255, 231]]);
    expect(jittered([[100, 101, 250]], { contrast: 1.2345678 })).toEqual([[123, 124, 255]]);
    expect(jittered([[101, 0, 255]], { contrast: 0.5 })).toEqual([[50, 0, 127]]);
    expect(jittered(COLORS, {})).toEqual(COLORS);
  });

  // From OpenCV 5.0 on rows wide enough for its vector code.
  it("changes saturation and hue as OpenCV's bytes do", () => {
    expect(jittered(COLORS, { saturation: 1.3 })).toEqual([
      [200, 0, 13],
      [0, 220, 80],
      [2, 19, 250],
      [128, 128, 128],
      [255, 255, 0],
      [0, 254, 255],
      [0, 1, 3],
      [0, 200, 201],
      [255, 0, 127],
    ]);
    expect(jittered(COLORS, { hue: -18 })).toEqual([
      [200, 29, 143],
      [59, 220, 10],
      [59, 186, 250],
      [128, 128, 128],
      [255, 102, 0],
      [0, 255, 102],
      [1, 3, 2],
      [17, 201, 90],
      [229, 0, 255],
    ]);
  });

  it("goes brightness, then contrast before or after saturation and hue", () => {
    const jitter = { brightness: -20.5, contrast: 1.4, saturation: 0.6, hue: 11 };
    const some = [COLORS[0], COLORS[1], COLORS[3], COLORS[6]];
    expect(jittered(some, { ...jitter, contrastFirst: false })).toEqual([
      [250, 149, 107],
      [109, 255, 226],
      [149, 149, 149],
      [0, 0, 0],
    ]);
    expect(jittered(some, { ...jitter, contrastFirst: true })).toEqual([
      [250, 149, 106],
      [100, 255, 213],
      [149, 149, 149],
      [0, 0, 0],
    ]);
  });

  it("draws each change half of the time, within its bounds", () => {
    const draws = Array.from({ length: 2000 }, (_, sample) =>
      drawColorJitter(new RandomStream({ seed: 1, purpose: "jitter", sample })),
    );
    const bounds = { brightness: [-32, 32], contrast: [0.5, 1.5], saturation: [0.5, 1.5], hue: [-18, 18] } as const;
    for (const [name, [low, high]] of Object.entries(bounds)) {
      const values = draws.map((draw) => draw[name as keyof typeof bounds]).filter((value) => value !== undefined);
      expect(Math.abs(values.length - 1000)).toBeLessThan(90); // 4 standard deviations
      const spread = high - low;
      expect(Math.min(...values)).toBeGreaterThanOrEqual(low);
      expect(Math.max(...values)).toBeLessThanOrEqual(high);
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.95 * spread);
    }
    expect(draws.every(({ hue = 0 }) => Number.isInteger(hue))).toBe(true);
    expect(Math.abs(draws.filter(({ contrastFirst }) => contrastFirst).length - 1000)).toBeLessThan(90);
  });
});
