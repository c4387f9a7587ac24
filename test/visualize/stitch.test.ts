import { expect, test } from "vitest";
import type { FeatureMap } from "../../src/core/image.js";
import { windowsOf } from "../../src/predict/windows.js";
import { addWindow } from "../../src/visualize/stitch.js";
import { cropFeatures } from "../../src/viz/feature-map.js";

/** A map whose two channels are x and y of each position, in pixels of the image. */
function coordinates(
  width: number,
  height: number,
  { left, top, scale }: { left: number; top: number; scale: number },
) {
  const data = new Float32Array(2 * width * height);
  for (let i = 0; i < width * height; i++) {
    data[i] = left + ((i % width) + 0.5) * scale;
    data[width * height + i] = top + (Math.floor(i / width) + 0.5) * scale;
  }
  return { data, channels: 2, width, height } satisfies FeatureMap;
}

test("crops a map to the positions that lie on the picture", () => {
  const cropped = cropFeatures(coordinates(8, 4, { left: 0, top: 0, scale: 4 }), { width: 5, height: 3 });
  expect(cropped).toEqual(coordinates(5, 3, { left: 0, top: 0, scale: 4 }));
});

test("every position comes from the window that owns it, and lies where it lay there", () => {
  const image = { width: 160, height: 96 };
  const windows = windowsOf(image, { shortEdge: 96, longEdge: 160, window: 64 });
  expect(windows.length).toBeGreaterThan(4);
  const whole = { data: new Float32Array(2 * 40 * 24).fill(Number.NaN), channels: 2, width: 40, height: 24 };
  for (const window of windows) {
    const part = coordinates(16, 16, { left: window.x.start, top: window.y.start, scale: 4 });
    addWindow(whole, part, window, image);
  }
  const expected = coordinates(40, 24, { left: 0, top: 0, scale: 4 });
  whole.data.forEach((value, i) => {
    expect(Math.abs(value - expected.data[i])).toBeLessThanOrEqual(2); // half a position
  });
});
