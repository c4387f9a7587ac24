import { describe, expect, it } from "vitest";
import { ShapeError } from "../../src/core/errors.js";
import type { Image, Rgb } from "../../src/core/image.js";
import { IGNORED, type SegmentationClass } from "../../src/masks/segmentation.js";
import { turnHue } from "../../src/viz/colours.js";
import { drawText, textSize } from "../../src/viz/lettering.js";
import { overlay } from "../../src/viz/overlay.js";

const CLASSES: SegmentationClass[] = [
  { id: 1, name: "sky", isThing: false, color: [0, 100, 200] },
  { id: 2, name: "cat", isThing: true, color: [200, 100, 0] },
];

const grey = (width: number, height: number): Image => ({
  width,
  height,
  data: new Uint8Array(3 * width * height).fill(100),
});
const at = ({ width, data }: Image, x: number, y: number): Rgb => {
  const [r, g, b] = data.subarray(3 * (y * width + x));
  return [r, g, b];
};
const halfway = (color: Rgb): Rgb => [(100 + color[0]) / 2, (100 + color[1]) / 2, (100 + color[2]) / 2];

describe("an overlay", () => {
  it("fills classes by half, outlines them fully and leaves what has no class", () => {
    const labels = Uint16Array.from({ length: 12 * 6 }, (_, p) => (p % 12 < 4 ? 0 : p % 12 < 8 ? 1 : IGNORED));
    const drawn = overlay(grey(12, 6), { width: 12, height: 6, labels }, CLASSES);
    expect(at(drawn, 1, 3)).toEqual(halfway(CLASSES[0].color));
    expect(at(drawn, 3, 3)).toEqual(CLASSES[0].color);
    expect(at(drawn, 4, 3)).toEqual(CLASSES[1].color);
    expect(at(drawn, 10, 3)).toEqual([100, 100, 100]);
  });

  it("leaves the image as it is, also one whose pixels are a Buffer, as decoded photographs are", () => {
    const image = { width: 4, height: 4, data: Buffer.alloc(3 * 16, 100) };
    const drawn = overlay(image, { width: 4, height: 4, labels: new Uint16Array(16) }, CLASSES);
    expect(at(drawn, 1, 1)).not.toEqual([100, 100, 100]);
    expect(image.data).toEqual(Buffer.alloc(3 * 16, 100));
  });

  it("tells things of one class apart, and gives stuff and void no colour of a thing", () => {
    const ids = Uint32Array.from({ length: 16 * 4 }, (_, p) => [0, 7, 7, 9][Math.floor((p % 16) / 4)]);
    const segment = (id: number) => ({ id, label: 1, area: 16, crowd: false });
    const drawn = overlay(grey(16, 4), { width: 16, height: 4, ids, segments: [segment(7), segment(9)] }, CLASSES);
    expect(at(drawn, 1, 1)).toEqual([100, 100, 100]);
    expect(at(drawn, 6, 1)).toEqual(halfway(CLASSES[1].color));
    expect(at(drawn, 14, 1)).not.toEqual(at(drawn, 6, 1));
  });

  it("puts a small instance above a large one that covers it", () => {
    const [width, height] = [8, 8];
    const everything = { label: 1, score: 0.9, mask: { width, height, counts: Uint32Array.of(0, 64) } };
    const corner = { label: 0, score: 0.5, mask: { width, height, counts: Uint32Array.of(0, 2, 6, 2, 54) } };
    for (const instances of [
      [everything, corner],
      [corner, everything],
    ]) {
      const drawn = overlay(grey(width, height), { width, height, instances }, CLASSES);
      expect(at(drawn, 0, 0)).toEqual(halfway(CLASSES[0].color));
      expect(at(drawn, 6, 6)).toEqual(halfway(CLASSES[1].color));
    }
  });

  it("names a shape inside it, where the plate has room", () => {
    const named = (side: number) => {
      const labels = new Uint16Array(side * side);
      const { data } = overlay(grey(side, side), { width: side, height: side, labels }, CLASSES);
      return data.some((value) => value === 255);
    };
    expect(named(64)).toBe(true);
    expect(named(10)).toBe(false);
  });

  it("refuses a segmentation of another size", () => {
    const labels = new Uint16Array(4);
    expect(() => overlay(grey(2, 3), { width: 2, height: 2, labels }, CLASSES)).toThrow(ShapeError);
  });
});

describe("text", () => {
  it("stays inside its box, with accents dropped and unknown characters as question marks", () => {
    const drawn = (text: string) => {
      const size = textSize(text, 12);
      const picture = { ...size, data: new Uint8Array(3 * size.width * size.height) };
      drawText(picture, text, { left: 0, top: 0, size: 12, color: [255, 255, 255] });
      return picture;
    };
    expect(drawn("Äpfel")).toEqual(drawn("Apfel"));
    expect(drawn("馬")).toEqual(drawn("?"));
    const { width, data } = drawn("jumping");
    const ink = Array.from({ length: data.length / 3 }, (_, p) => p).filter((p) => data[3 * p] > 128);
    expect(Math.min(...ink.map((p) => p % width))).toBeLessThan(3);
    expect(Math.max(...ink.map((p) => p % width))).toBeGreaterThan(width - 4);
  });
});

it("turns colours into others of the same tone", () => {
  expect(turnHue([10, 20, 30], 0)).toEqual([10, 20, 30]);
  const turned = Array.from({ length: 12 }, (_, i) => turnHue([200, 60, 60], i + 1).join());
  expect(new Set(turned).size).toBe(12);
});
