import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { countCrossings, encodePolygon, encodePolygons } from "../../src/masks/polygons.js";
import { decodeMask, encodeMask, maskArea } from "../../src/masks/run-lengths.js";

/**
 * pycocotools' drawing step by step, slow and obvious: all points of the outline, then the changes of column at
 * middles.
 */
function walked(polygon: readonly number[], width: number, height: number): Uint8Array {
  const fine = (index: number) => Math.trunc(5 * polygon[index % polygon.length] + 0.5);
  const points: [u: number, v: number][] = [];
  for (let i = 0; i < polygon.length; i += 2) {
    const [fromU, fromV, toU, toV] = [fine(i), fine(i + 1), fine(i + 2), fine(i + 3)];
    const [across, down] = [Math.abs(toU - fromU), Math.abs(toV - fromV)];
    const wide = across >= down;
    const backwards = wide ? fromU > toU : fromV > toV;
    const [startU, startV, endU, endV] = backwards ? [toU, toV, fromU, fromV] : [fromU, fromV, toU, toV];
    const steps = Math.max(across, down);
    const slope = steps === 0 ? 0 : (wide ? endV - startV : endU - startU) / steps;
    const edge = Array.from({ length: steps + 1 }, (_, step): [number, number] =>
      wide
        ? [startU + step, Math.trunc(startV + slope * step + 0.5)]
        : [Math.trunc(startU + slope * step + 0.5), startV + step],
    );
    points.push(...(backwards ? edge.reverse() : edge));
  }
  const pixels = new Uint8Array(width * height);
  for (let i = 1; i < points.length; i++) {
    const [[lastU, lastV], [u, v]] = [points[i - 1], points[i]];
    const x = (Math.min(u, lastU) - 2) / 5;
    if (u === lastU || !Number.isInteger(x) || x < 0 || x >= width) continue;
    const top = Math.max(0, Math.ceil((Math.min(v, lastV) - 2) / 5));
    for (let y = top; y < height; y++) pixels[y * width + x] ^= 1;
  }
  return pixels;
}

const coordinate = fc.oneof(
  fc.integer({ min: -60, max: 90 }),
  fc.integer({ min: -30, max: 80 }).map((half) => half / 2),
  fc.double({ min: -80, max: 120, noNaN: true }),
  fc.double({ min: -3000, max: 3000, noNaN: true }),
);
const polygon = fc
  .array(fc.tuple(coordinate, coordinate), { minLength: 3, maxLength: 8 })
  .map((points) => points.flat());
const side = fc.integer({ min: 1, max: 40 });

describe("polygons", () => {
  it("are drawn as the whole outline would be, though only what crosses the image is looked at", () => {
    fc.assert(
      fc.property(polygon, side, side, (corners, width, height) => {
        expect(decodeMask(encodePolygon(corners, width, height))).toEqual(walked(corners, width, height));
      }),
      { numRuns: 150 },
    );
  });

  it("are the union of their masks", () => {
    fc.assert(
      fc.property(fc.array(polygon, { minLength: 1, maxLength: 5 }), side, side, (polygons, width, height) => {
        const pixels = new Uint8Array(width * height);
        for (const corners of polygons) {
          const inside = walked(corners, width, height);
          for (let i = 0; i < pixels.length; i++) pixels[i] |= inside[i];
        }
        expect(encodePolygons({ polygons }, width, height)).toEqual(encodeMask(pixels, width, height));
      }),
      { numRuns: 50 },
    );
  });

  it.each([1e4, 1e7, 1e9])("of %d pixels cost what the image does", (far) => {
    const around = [-far, -far, far, -far, far, far, -far, far];
    expect(maskArea(encodePolygon(around, 30, 20))).toBe(600);
    const halfPlane = [-far, -far, far, far, -far, far]; // below the diagonal
    const mask = decodeMask(encodePolygon(halfPlane, 30, 20));
    expect(mask).toEqual(Uint8Array.from(mask, (_, i) => Number(Math.floor(i / 30) > (i % 30) - 1)));
    expect(countCrossings(around, 30)).toBe(60);
  });

  it("in great numbers cost their own sizes, not the square of their number", () => {
    const polygons = Array.from({ length: 20000 }, (_, i) => {
      const [x, y] = [i % 200, Math.floor(i / 200)];
      return [x, y, x + 1, y, x + 1, y + 1, x, y + 1];
    });
    expect(maskArea(encodePolygons({ polygons }, 200, 100))).toBe(20000);
  });

  it.each([
    ["a coordinate beyond any image", [0, 0, 2e9, 0, 1, 1], /no number, or too large/],
    ["a coordinate without end", [0, 0, Number.POSITIVE_INFINITY, 0, 1, 1], /no number, or too large/],
  ])("of %s are refused", (_, corners, message) => {
    expect(() => encodePolygon(corners, 4, 4)).toThrow(InputError);
    expect(() => encodePolygon(corners, 4, 4)).toThrow(message);
  });

  it("that cross an image more often than it has pixels are refused before they are drawn", () => {
    const zigzag = Array.from({ length: 600 }, (_, i) => [i % 2 ? 4000 : 0, i]).flat();
    const draw = (corners: number[]) => encodePolygons({ polygons: [corners] }, 4000, 100);
    expect(() => draw(zigzag)).toThrow(
      /expected outlines that cross the columns of an image of 4000x100 at most 1448576 times/,
    );
    expect(maskArea(draw(zigzag.slice(0, 100)))).toBeGreaterThan(0);
  });
});
