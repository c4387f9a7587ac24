import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/core/errors.js";
import type { Image } from "../../src/core/image.js";
import { heatPicture, LABEL_COLOURS, labelPicture } from "../../src/viz/colours.js";
import * as pictures from "../../src/viz/picture.js";

/** A picture of one row whose pixels are greys. */
const greys = (...values: number[]): Image => ({
  width: values.length,
  height: 1,
  data: Uint8Array.from(values.flatMap((value) => [value, value, value])),
});

describe("pictures", () => {
  it("come from planes, saturating", () => {
    const planes = Float32Array.of(0, 1, 0.5, 2, -1, 0.2);
    expect(Array.from(pictures.fromPlanes(planes, 2, 1).data)).toEqual([0, 128, 0, 255, 255, 51]);
  });

  it("lie beside each other", () => {
    const row = pictures.strip([greys(1, 2), greys(3)], 2, [9, 8, 7]);
    expect([row.width, row.height]).toEqual([5, 1]);
    expect(Array.from(row.data)).toEqual([1, 1, 1, 2, 2, 2, 9, 8, 7, 9, 8, 7, 3, 3, 3]);
    expect(() => pictures.strip([greys(1), { width: 1, height: 2, data: new Uint8Array(6) }])).toThrow(/height 1/);
  });
});

describe("colours", () => {
  it("refuse labels without a colour of their own", () => {
    expect(() => labelPicture(Uint8Array.of(LABEL_COLOURS.length), 1, 1)).toThrow(/labels below 8, found 8/);
    expect(() => labelPicture(new Uint8Array(3), 2, 2)).toThrow(ShapeError);
  });

  it("of heat rise in lightness with the value, saturate, and leave missing values grey", () => {
    const values = Float32Array.from({ length: 101 }, (_, i) => i / 50 - 0.5);
    const { data } = heatPicture(values, 101, 1, { low: 0, high: 1 });
    const lightness = Array.from(
      values,
      (_, p) => 0.2126 * data[3 * p] + 0.7152 * data[3 * p + 1] + 0.0722 * data[3 * p + 2],
    );
    for (let p = 26; p <= 75; p++) expect(lightness[p]).toBeGreaterThan(lightness[p - 1]);
    expect([lightness[0], lightness[100]]).toEqual([lightness[25], lightness[75]]);
    expect(Array.from(heatPicture(Float32Array.of(Number.NaN), 1, 1, { low: 0, high: 1 }).data)).toEqual([
      128, 128, 128,
    ]);
  });
});
