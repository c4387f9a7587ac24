import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Size } from "../../src/core/image.js";
import { nearestPixels } from "../../src/core/resample.js";
import { clipPolygon } from "../../src/data/clip-polygon.js";
import type { LabelledView } from "../../src/data/labelled-view.js";
import { viewAxes } from "../../src/data/labelled-view.js";
import { instanceTargets, panopticTargets, semanticTargets, type TargetView } from "../../src/data/targets.js";
import { encodeMask } from "../../src/masks/run-lengths.js";
import { IGNORED, type Instance, type InstanceSet, type Segment } from "../../src/masks/segmentation.js";

/** A view of labels in memory that nobody else uses. */
function seen(view: LabelledView, size: Size = view.crop, keepEmpty = true): TargetView {
  return { view, size, keepEmpty, takeMasks: (count) => new Uint8Array(count * size.width * size.height) };
}

/** The whole of an image, resized or as it is. */
function whole({ width, height }: Size): LabelledView {
  return { resized: { width, height }, crop: { left: 0, top: 0, width, height } };
}

const segment = (id: number, label: number, crowd = false): Segment => ({ id, label, crowd, area: 0 });

function rows(mask: Uint8Array, width: number): string[] {
  return Array.from({ length: mask.length / width }, (_, y) => mask.subarray(y * width, (y + 1) * width).join(""));
}

describe("semantic targets", () => {
  const map = { width: 3, height: 2, labels: Uint16Array.of(7, 2, 2, IGNORED, 0, 7) };

  it("are one for each label in the view, in rising order, without the ignored pixels", () => {
    const targets = semanticTargets(map, seen(whole(map)));
    expect(targets.map(({ label }) => label)).toEqual([0, 2, 7]);
    expect(targets.map(({ mask }) => rows(mask, 3))).toEqual([
      ["000", "010"],
      ["011", "000"],
      ["100", "001"],
    ]);
  });

  it("pad with ignored pixels and name only labels that are seen", () => {
    const view = { ...whole(map), crop: { left: 1, top: 0, width: 2, height: 1 } };
    const targets = semanticTargets(map, seen(view, { width: 3, height: 2 }));
    expect(targets.map(({ label, mask }) => [label, ...rows(mask, 3)])).toEqual([[2, "110", "000"]]);
    const nothing = { ...map, labels: new Uint16Array(6).fill(IGNORED) };
    expect(semanticTargets(nothing, seen(view))).toEqual([]);
  });

  it("are resampled from the start of a pixel, panoptic ones from its middle", () => {
    const view = whole({ width: 2, height: 1 });
    const labels = semanticTargets({ width: 3, height: 1, labels: Uint16Array.of(0, 1, 2) }, seen(view));
    expect(labels.map(({ label }) => label)).toEqual([0, 1]);
    const ids = Uint32Array.of(1, 2, 3);
    const segments = [segment(1, 0), segment(2, 1), segment(3, 2)];
    const targets = panopticTargets({ width: 3, height: 1, ids, segments }, seen(view));
    expect(targets.map(({ label, mask }) => [label, ...mask])).toEqual([
      [0, 1, 0],
      [1, 0, 0],
      [2, 0, 1],
    ]);
  });
});

describe("panoptic targets", () => {
  const ids = Uint32Array.of(9, 9, 0, 70000, 16000000, 70000);
  const segments = [segment(70000, 4), segment(9, 1), segment(16000000, 2, true), segment(5, 4)];
  const map = { width: 3, height: 2, ids, segments };

  it("are one for each segment that is no crowd, in the file's order, empty or not", () => {
    const targets = panopticTargets(map, seen(whole(map)));
    expect(targets.map(({ label, mask }) => [label, ...rows(mask, 3)])).toEqual([
      [4, "000", "101"],
      [1, "110", "000"],
      [4, "000", "000"],
    ]);
  });

  it("drop the empty ones on request", () => {
    const view = { ...whole(map), crop: { left: 0, top: 1, width: 2, height: 1 } };
    const targets = panopticTargets(map, seen(view, { width: 2, height: 2 }, false));
    expect(targets.map(({ label, mask }) => [label, ...rows(mask, 2)])).toEqual([[4, "10", "00"]]);
  });
});

describe("instance targets", () => {
  const size = { width: 10, height: 8 };
  const square = [2, 1, 6, 1, 6, 5, 2, 5];
  const polygon = (points: number[], label = 3, crowd = false): Instance => ({
    label,
    crowd,
    area: 0,
    shape: { polygons: [points] },
  });
  const set = (...instances: Instance[]): InstanceSet => ({ ...size, instances });
  const areaOf = (mask: Uint8Array) => mask.reduce((sum, value) => sum + value, 0);

  it("move polygons with the image and draw them afterwards", () => {
    const mirrored = { ...whole(size), mirror: "before" } as const;
    const [{ mask }] = instanceTargets(set(polygon(square)), seen(mirrored));
    expect(rows(mask, 10)).toEqual([
      "0000000000",
      ...Array.from({ length: 4 }, () => "0000111100"),
      ...Array.from({ length: 3 }, () => "0000000000"),
    ]);
    const view = { resized: { width: 20, height: 16 }, crop: { left: 3, top: 1, width: 8, height: 3 } };
    const out = { width: 9, height: 4 };
    // Twice as large the square is [4, 12) x [2, 10), of which the crop shows [1, 8) x [1, 3).
    expect(instanceTargets(set(polygon(square)), seen(view, out)).map((target) => rows(target.mask, 9))).toEqual([
      ["000000000", "011111110", "011111110", "000000000"],
    ]);
    const after = instanceTargets(set(polygon(square)), seen({ ...view, mirror: "after" }, out));
    expect(rows(after[0].mask, 9)).toEqual(["000000000", "111111100", "111111100", "000000000"]);
  });

  it("keep overlaps and leave crowds out", () => {
    const targets = instanceTargets(
      set(polygon(square, 1), polygon(square, 2, true), polygon(square, 3)),
      seen(whole(size)),
    );
    expect(targets.map(({ label, mask }) => [label, areaOf(mask)])).toEqual([
      [1, 16],
      [3, 16],
    ]);
  });

  it("drop what the view lost on request, but no sliver", () => {
    const sliver = [4.6, 3.6, 4.8, 3.6, 4.8, 3.8, 4.6, 3.8];
    const outside = [0, 0, 1, 0, 1, 1, 0, 1];
    const runs = encodeMask(
      Uint8Array.from({ length: 80 }, (_, i) => Number(i === 0)),
      10,
      8,
    );
    const instances = [polygon(outside, 1), polygon(sliver, 2), { label: 3, crowd: false, area: 1, shape: runs }];
    const view = { ...whole(size), crop: { left: 2, top: 2, width: 5, height: 5 } };
    const labels = (keepEmpty: boolean) =>
      instanceTargets(set(...instances), seen(view, view.crop, keepEmpty)).map(({ label, mask }) => [
        label,
        areaOf(mask),
      ]);
    expect(labels(false)).toEqual([[2, 0]]);
    expect(labels(true)).toEqual([
      [1, 0],
      [2, 0],
      [3, 0],
    ]);
    expect(instanceTargets(set(), seen(view, view.crop, false))).toEqual([]);
  });

  it("resample run lengths as if they were decoded", () => {
    const side = fc.integer({ min: 1, max: 12 });
    const mirror = fc.constantFrom(undefined, "before" as const, "after" as const);
    const property = fc.property(
      side,
      side,
      side,
      side,
      mirror,
      fc.infiniteStream(fc.nat(3)),
      (w, h, rw, rh, flip, bits) => {
        const pixels = Uint8Array.from({ length: w * h }, () => Number((bits.next().value as number) > 1));
        const [left, top] = [Math.floor(rw / 3), Math.floor(rh / 4)];
        const crop = { left, top, width: rw - left, height: Math.max(1, rh - top - 1) };
        const view = { resized: { width: rw, height: rh }, crop, mirror: flip };
        const labels = { width: w, height: h };
        const out = { width: crop.width + 1, height: crop.height + 2 };
        const instances = [{ label: 0, crowd: false, area: 0, shape: encodeMask(pixels, w, h) }];
        const [{ mask }] = instanceTargets({ ...labels, instances }, seen(view, out));
        const { x, y } = viewAxes(labels, view);
        const expected = new Uint8Array(out.width * out.height);
        nearestPixels(y).forEach((fromY, toY) => {
          nearestPixels(x).forEach((fromX, toX) => {
            expected[toY * out.width + toX] = pixels[fromY * w + fromX];
          });
        });
        expect(mask).toEqual(expected);
      },
    );
    fc.assert(property, { seed: 1, numRuns: 200 });
  });
});

describe("clipping of polygons", () => {
  it("keeps what lies within and cuts at the border", () => {
    expect(clipPolygon([1, 1, 3, 1, 3, 3], 4, 4)).toEqual([1, 1, 3, 1, 3, 3]);
    expect(clipPolygon([-2, 1, 2, 1, 2, 3, -2, 3], 4, 4)).toEqual([0, 1, 2, 1, 2, 3, 0, 3]);
    expect(clipPolygon([-9, -9, 9, -9, 9, 9, -9, 9], 4, 5)).toHaveLength(8);
  });

  it("says when nothing is left: outside, along the border, around a corner, fewer than three corners", () => {
    expect(clipPolygon([5, 1, 9, 1, 9, 3], 4, 4)).toBeUndefined();
    expect(clipPolygon([4, 1, 9, 1, 9, 3, 4, 3], 4, 4)).toBeUndefined();
    expect(clipPolygon([-1, -1, 9, -1, 9, 9, 8, 9, 8, -0.5, -1, -0.5], 4, 4)).toBeUndefined();
    expect(clipPolygon([1, 1, 2, 2], 4, 4)).toBeUndefined();
    expect(clipPolygon([], 4, 4)).toBeUndefined();
  });
});
