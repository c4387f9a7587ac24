import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import {
  type CocoMask,
  compressCounts,
  decompressCounts,
  fromCocoMask,
  toCocoMask,
} from "../../src/masks/coco-masks.js";
import {
  boxIous,
  embedMask,
  intersectionArea,
  intersectionOf,
  maskIous,
  unionOf,
} from "../../src/masks/mask-algebra.js";
import { encodeBox, encodePolygon, encodePolygons, shapeMask } from "../../src/masks/polygons.js";
import {
  type Box,
  boundingBox,
  decodeMask,
  encodeId,
  encodeMask,
  encodeSegments,
  maskArea,
  paintMask,
  type RunLengths,
  runLengths,
} from "../../src/masks/run-lengths.js";
import { METRICS, readJson, readLabels } from "../support/metric-fixtures.js";

interface Cases {
  masks: {
    name: string;
    png: string;
    size: [number, number];
    counts: string;
    counts_uncompressed: number[];
    area: number;
    bbox: Box;
  }[];
  polygons: {
    name: string;
    size: [number, number];
    polygons: number[][];
    each_counts: string[];
    merged_counts: string;
    area: number;
    bbox: Box;
  }[];
  boxes: { bbox: Box; size: [number, number]; counts: string }[];
  mask_iou: {
    dt: string[];
    gt: string[];
    iscrowd: number[];
    iou: number[][];
    iou_no_crowd: number[][];
    iou_self: number[][];
  };
  merge: { masks: string[]; union: string; intersection: string };
  bbox_iou: { dt: Box[]; gt: Box[]; iscrowd: number[]; iou: number[][] };
}
const cases = readJson<Cases>(METRICS, "rle", "cases.json");

const named = (names: string[]) =>
  names.map((name) => {
    const found = cases.masks.find((mask) => mask.name === name);
    if (!found) throw new Error(name);
    return fromCocoMask(found);
  });
const rows = (matrix: Float64Array[]) => matrix.map((row) => [...row]);

describe("pycocotools' results", () => {
  it.each(cases.masks)("mask $name", ({ png, size, counts, counts_uncompressed: list, area, bbox }) => {
    const { width, height, labels } = readLabels(METRICS, "rle", png);
    const mask = encodeMask(labels, width, height);
    expect([...mask.counts]).toEqual(list);
    expect(toCocoMask(mask)).toEqual({ size, counts });
    expect(fromCocoMask({ size, counts })).toEqual(mask);
    expect(fromCocoMask({ size, counts: list })).toEqual(mask);
    expect(decodeMask(mask).every((inside, i) => inside === Number(labels[i] > 0))).toBe(true);
    expect(maskArea(mask)).toBe(area);
    expect(boundingBox(mask)).toEqual(bbox);
  });

  it.each(cases.polygons)(
    "polygon $name",
    ({ size: [height, width], polygons, each_counts, merged_counts, area, bbox }) => {
      expect(polygons.map((polygon) => toCocoMask(encodePolygon(polygon, width, height)).counts)).toEqual(each_counts);
      const merged = encodePolygons({ polygons }, width, height);
      expect(toCocoMask(merged).counts).toBe(merged_counts);
      expect(shapeMask({ polygons }, width, height)).toEqual(merged);
      expect([maskArea(merged), boundingBox(merged)]).toEqual([area, bbox]);
    },
  );

  it.each(cases.boxes)("box $bbox", ({ bbox, size: [height, width], counts }) => {
    expect(toCocoMask(encodeBox(bbox, width, height)).counts).toBe(counts);
  });

  it("IoU, with and without crowds", () => {
    const { dt, gt, iscrowd, iou, iou_no_crowd } = cases.mask_iou;
    expect(rows(maskIous(named(dt), named(gt), (i) => iscrowd[i] === 1))).toEqual(iou);
    expect(rows(maskIous(named(dt), named(gt)))).toEqual(iou_no_crowd);
    const shapes = named(cases.masks.map(({ name }) => name).filter((name) => name.startsWith("shape")));
    expect(rows(maskIous(shapes, shapes))).toEqual(cases.mask_iou.iou_self);
  });

  it("IoU of boxes", () => {
    const { dt, gt, iscrowd, iou } = cases.bbox_iou;
    expect(rows(boxIous(dt, gt, (i) => iscrowd[i] === 1))).toEqual(iou);
  });

  it("union and intersection", () => {
    const { masks, union, intersection } = cases.merge;
    expect(toCocoMask(unionOf(named(masks))).counts).toBe(union);
    expect(toCocoMask(intersectionOf(named(masks))).counts).toBe(intersection);
  });
});

const size = fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }));
/** Images of a few values in blocks, so that runs are both short and long. */
const imageOf = (values: number) =>
  size.chain(([width, height]) =>
    fc.record({
      width: fc.constant(width),
      height: fc.constant(height),
      ids: fc
        .array(fc.integer({ min: 0, max: values - 1 }), { minLength: 1, maxLength: width * height })
        .chain((draws) => fc.integer({ min: 1, max: 9 }).map((block) => ({ draws, block })))
        .map(({ draws, block }) =>
          Uint32Array.from({ length: width * height }, (_, i) => draws[Math.floor(i / block) % draws.length]),
        ),
    }),
  );
const maskPair = fc
  .tuple(imageOf(2), fc.array(fc.integer({ min: 0, max: 1 }), { minLength: 1, maxLength: 50 }))
  .map(([{ width, height, ids }, draws]) => {
    const other = ids.map((_, i) => draws[i % draws.length]);
    return { width, height, a: ids, b: other };
  });

describe("run lengths", () => {
  it("come back as the mask, the list and the string they were made of", () => {
    fc.assert(
      fc.property(imageOf(2), ({ ids, width, height }) => {
        const mask = encodeMask(ids, width, height);
        expect([...decodeMask(mask)]).toEqual([...ids]);
        expect(fromCocoMask(toCocoMask(mask))).toEqual(mask);
        expect(mask.counts.subarray(1).every((count) => count > 0)).toBe(true);
      }),
    );
  });

  it("of all segments are those of each", () => {
    fc.assert(
      fc.property(imageOf(6), ({ ids, width, height }) => {
        const segments = encodeSegments(ids, width, height);
        expect(new Set(segments.keys())).toEqual(new Set(ids.filter((id) => id > 0)));
        const painted = new Uint32Array(ids.length);
        for (const [id, mask] of segments) {
          expect(mask).toEqual(encodeId(ids, id, width, height));
          paintMask(mask, painted, id);
        }
        expect(painted).toEqual(ids);
      }),
    );
  });

  it("combine as their pixels do", () => {
    fc.assert(
      fc.property(maskPair, ({ width, height, a, b }) => {
        const [first, second] = [encodeMask(a, width, height), encodeMask(b, width, height)];
        const both = a.map((value, i) => value & b[i]);
        const shared = both.filter(Boolean).length;
        expect(intersectionArea(first, second)).toBe(shared);
        expect(intersectionOf([first, second])).toEqual(encodeMask(both, width, height));
        const either = encodeMask(
          a.map((value, i) => value | b[i]),
          width,
          height,
        );
        expect(unionOf([first, second])).toEqual(either);
        expect(maskIous([first], [second])[0][0]).toBe(shared === 0 ? 0 : shared / maskArea(either));
      }),
    );
  });

  it("have the tightest box", () => {
    fc.assert(
      fc.property(imageOf(2), ({ ids, width, height }) => {
        const inside = [...ids.keys()].filter((i) => ids[i] === 1);
        const [xs, ys] = [inside.map((i) => i % width), inside.map((i) => Math.floor(i / width))];
        const [left, top] = [Math.min(...xs), Math.min(...ys)];
        const box = inside.length ? [left, top, Math.max(...xs) - left + 1, Math.max(...ys) - top + 1] : [0, 0, 0, 0];
        expect(boundingBox(encodeMask(ids, width, height))).toEqual(box);
      }),
    );
  });

  it("may hold empty runs, as other programs write them", () => {
    const odd = runLengths(3, 2, [1, 2, 0, 1, 2, 0]);
    expect([...decodeMask(odd)]).toEqual([0, 1, 0, 1, 1, 0]);
    const plain: RunLengths = encodeMask(decodeMask(odd), 3, 2);
    expect([maskArea(odd), boundingBox(odd)]).toEqual([maskArea(plain), boundingBox(plain)]);
    expect(unionOf([odd, odd])).toEqual(plain);
    expect(intersectionArea(odd, plain)).toBe(3);
  });

  it("of any size survive the string", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 2 ** 32 - 1 })), (counts) => {
        expect(decompressCounts(compressCounts(counts))).toEqual(counts);
      }),
    );
  });
});

describe("bad masks", () => {
  const coco = (mask: CocoMask) => () => fromCocoMask(mask, "instances.json, annotation 7");
  it.each([
    [
      "a sum that is not the size",
      coco({ size: [2, 3], counts: [1, 2] }),
      /annotation 7: expected .* 6 .*, found a sum of 3/,
    ],
    ["a negative count", coco({ size: [2, 3], counts: [7, -1] }), /whole numbers from 0, found -1/],
    ["a fraction", coco({ size: [2, 3], counts: [5.5, 0.5] }), /found 5.5/],
    ["a foreign character", coco({ size: [2, 3], counts: "1 2" }), /found " " at 1/],
    ["a cut string", coco({ size: [2, 3], counts: "f" }), /an end within a number/],
    ["a map of another size", () => encodeMask(new Uint8Array(5), 2, 3), /expected 6 pixels \(2x3\), found 5/],
    [
      "masks of two sizes",
      () => intersectionArea(runLengths(1, 2, [2]), runLengths(2, 1, [2])),
      /one size \(1x2\), found 2x1/,
    ],
    ["half a corner", () => encodePolygon([1, 2, 3, 4, 5], 9, 9), /found 5 numbers/],
    ["a corner at NaN", () => encodePolygon([1, 2, 3, 4, 5, Number.NaN], 9, 9), /no number/],
  ])("%s", (_, act, message) => {
    expect(act).toThrow(InputError);
    expect(act).toThrow(message);
  });
});

it("embeds a mask in a larger image, its pixels shifted", () => {
  const size = fc.integer({ min: 1, max: 7 });
  const drawing = fc.tuple(size, size).chain(([width, height]) =>
    fc.record({
      width: fc.constant(width),
      height: fc.constant(height),
      pixels: fc.array(fc.integer({ min: 0, max: 1 }), { minLength: width * height, maxLength: width * height }),
    }),
  );
  const margin = fc.integer({ min: 0, max: 3 });
  fc.assert(
    fc.property(drawing, margin, margin, margin, margin, ({ width, height, pixels }, left, top, right, bottom) => {
      const [outerWidth, outerHeight] = [left + width + right, top + height + bottom];
      const outer = new Uint8Array(outerWidth * outerHeight);
      pixels.forEach((value, i) => {
        outer[(top + Math.floor(i / width)) * outerWidth + left + (i % width)] = value;
      });
      const mask = encodeMask(Uint8Array.from(pixels), width, height);
      expect(embedMask(mask, { left, top }, outerWidth, outerHeight)).toEqual(
        encodeMask(outer, outerWidth, outerHeight),
      );
    }),
  );
  const mask = encodeMask(new Uint8Array(12), 3, 4);
  expect(() => embedMask(mask, { left: 1, top: 0 }, 3, 4)).toThrow("a part of 3x4");
});
