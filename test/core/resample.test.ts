import { describe, expect, it, test } from "vitest";
import type { Image } from "../../src/core/image.js";
import {
  type Axis,
  interpolation,
  legacyNearestPixels,
  nearestPixels,
  resizeBilinear,
  resizeImage,
  resizeNearest,
} from "../../src/core/resample.js";

const whole = (source: number, resized: number): Axis => ({ source, resized, start: 0, length: resized });

/** Bytes that look random, from a formula: 37 i + 11 i^2. */
function pattern(width: number, height: number): Image {
  return { width, height, data: Uint8Array.from({ length: 3 * width * height }, (_, i) => 37 * i + 11 * i * i) };
}

const resize = (image: Image, width: number, height: number): Image => resizeImage(image, { width, height });

/** Pixels of a part of an image, mirrored or not. */
function cut({ data, ...image }: Image, left: number, top: number, width: number, height: number, mirror: boolean) {
  const out: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * ((top + y) * image.width + left + (mirror ? width - 1 - x : x));
      out.push(...data.subarray(from, from + 3));
    }
  }
  return out;
}

describe("bilinear resizing of bytes", () => {
  it("weighs by a triangle as wide as the reduction, and rounds", () => {
    const grey = (...values: number[]) => ({
      width: values.length,
      height: 1,
      data: Uint8Array.from(values.flatMap((value) => [value, value, value])),
    });
    const red = (image: Image) => Array.from({ length: image.width }, (_, x) => image.data[3 * x]);
    expect(red(resize(grey(0, 255), 1, 1))).toEqual([128]); // 127.5 + 0.5
    expect(red(resize(grey(0, 100), 4, 1))).toEqual([0, 25, 75, 100]); // centres 0.25, 0.75, 1.25, 1.75
    // Centre 1, support 2: weights 0.75, 0.75, 0.25 for the pixels 0, 1, 2; the mirror image of that at centre 3.
    expect(red(resize(grey(0, 0, 70, 0), 2, 1))).toEqual([10, 30]);
  });

  it("gives Pillow's bytes", () => {
    const image = pattern(5, 3);
    const down = [124, 63, 148, 162, 114, 159, 160, 123, 146, 107, 138, 156, 203, 123, 100, 169, 157, 112];
    expect([...resize(image, 3, 2).data]).toEqual(down);
    const mixed = [
      119, 59, 183, 191, 99, 181, 159, 94, 126, 137, 143, 140, 161, 125, 116, 153, 153, 109, 123, 141, 157, 233, 127,
      100,
    ];
    expect([...resize(image, 2, 4).data]).toEqual(mixed);
    const up = [
      0, 48, 118, 92, 57, 156, 204, 66, 206, 139, 42, 223, 135, 80, 223, 194, 180, 204, 220, 103, 153, 236, 36, 114, 86,
      61, 160, 127, 64, 148, 179, 71, 132, 169, 102, 140, 157, 132, 163, 144, 159, 200, 155, 125, 147, 165, 97, 102,
    ];
    expect([...resize(image, 8, 5).data.subarray(0, 48)]).toEqual(up);
    expect(resize(image, 5, 3)).toEqual(image);
  });

  it("computes the part that is kept as if the whole were resized, mirrored before or after", () => {
    const image = pattern(23, 17);
    const mirrored = { ...image, data: Uint8Array.from(cut(image, 0, 0, 23, 17, true)) };
    for (const [width, height] of [
      [9, 7],
      [23, 40],
      [61, 45],
      [46, 5],
    ]) {
      const part = [
        Math.floor(width / 4),
        Math.floor(height / 3),
        Math.ceil(width / 2),
        Math.ceil(height / 2),
      ] as const;
      const [left, top, partWidth, partHeight] = part;
      const y = { source: 17, resized: height, start: top, length: partHeight };
      const x = { source: 23, resized: width, start: left, length: partWidth };
      const after = resizeBilinear(image, { ...x, mirror: "after" }, y);
      const before = resizeBilinear(image, { ...x, mirror: "before" }, y);
      expect([...resizeBilinear(image, x, y).data]).toEqual(cut(resize(image, width, height), ...part, false));
      expect([...after.data]).toEqual(cut(resize(image, width, height), ...part, true));
      expect([...before.data]).toEqual(cut(resize(mirrored, width, height), ...part, false));
    }
  });
});

describe("nearest pixels", () => {
  it("are those at the middle of the output's by Pillow, its sum of steps included", () => {
    expect([...nearestPixels(whole(7, 3))]).toEqual([1, 3, 5]);
    expect([...nearestPixels(whole(7, 5))]).toEqual([0, 2, 3, 4, 6]);
    expect([...nearestPixels(whole(7, 10))]).toEqual([0, 1, 1, 2, 3, 3, 4, 5, 5, 6]);
    // (3 + 0.5) * 2 / 7 = 1, had it not been summed.
    expect([...nearestPixels(whole(2, 7))]).toEqual([0, 0, 0, 0, 1, 1, 1]);
  });

  it("are those at the start of the output's by torch", () => {
    expect([...legacyNearestPixels(whole(7, 3))]).toEqual([0, 2, 4]);
    expect([...legacyNearestPixels(whole(3, 2))]).toEqual([0, 1]);
    expect([...nearestPixels(whole(3, 2))]).toEqual([0, 2]);
    expect([...legacyNearestPixels(whole(3, 6))]).toEqual([0, 0, 1, 1, 2, 2]);
  });

  it("mirror the source before, or what was cut out after", () => {
    const axis = { source: 4, resized: 8, start: 1, length: 4 };
    expect([...nearestPixels(axis)]).toEqual([0, 1, 1, 2]);
    expect([...nearestPixels({ ...axis, mirror: "after" })]).toEqual([2, 1, 1, 0]);
    expect([...nearestPixels({ ...axis, mirror: "before" })]).toEqual([3, 2, 2, 1]);
  });
});

test("values that must not be mixed are those under the centres of the new pixels", () => {
  const size = { width: 4, height: 2 };
  const values = Uint16Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(resizeNearest(values, size, size)).toEqual(values);
  expect([...resizeNearest(values, size, { width: 2, height: 1 })]).toEqual([6, 8]);
  expect([...resizeNearest(values, size, { width: 8, height: 2 })].slice(0, 8)).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
  const large = Uint32Array.from([70000]);
  expect(resizeNearest(large, { width: 1, height: 1 }, { width: 2, height: 1 })).toEqual(
    Uint32Array.from([70000, 70000]),
  );
  const pairs = Uint8Array.from([1, 2, 3, 4]);
  const wide = resizeNearest(pairs, { width: 2, height: 1 }, { width: 4, height: 1 }, 2);
  expect([...wide]).toEqual([1, 2, 1, 2, 3, 4, 3, 4]);
});

test("interpolation has half-pixel centres and ends at the edges", () => {
  const places = (from: number, to: number) => {
    const { low, fraction } = interpolation(from, to);
    return Array.from(low, (first, i) => first + fraction[i]);
  };
  expect(places(2, 4)).toEqual([0, 0.25, 0.75, 1]);
  expect(places(4, 2)).toEqual([0.5, 2.5]);
  expect(places(3, 1)).toEqual([1]);
  expect(places(1, 3)).toEqual([0, 0, 0]);
});
