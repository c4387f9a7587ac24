import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { averagePrecision } from "../../src/eval/average-precision.js";
import { panopticQuality } from "../../src/eval/panoptic-quality.js";
import { semanticIou } from "../../src/eval/semantic-iou.js";
import { encodeMask } from "../../src/masks/run-lengths.js";
import {
  IGNORED,
  type Instance,
  type PanopticMap,
  type ScoredInstance,
  type SegmentationClass,
} from "../../src/masks/segmentation.js";
import { METRICS } from "../support/metric-fixtures.js";
import { precisionCase } from "./coco-cases.js";

const classes: SegmentationClass[] = [
  { id: 1, name: "cat", isThing: true, color: [0, 0, 0] },
  { id: 5, name: "dog", isThing: true, color: [0, 0, 0] },
  { id: 9, name: "grass", isThing: false, color: [0, 0, 0] },
];

/** A map of one row, from its ids and the labels of ids; areas are counted. */
function rowMap(ids: number[], labels: Record<number, number>, crowds: number[] = []): PanopticMap {
  const segments = Object.entries(labels).map(([id, label]) => ({
    id: Number(id),
    label,
    area: ids.filter((other) => other === Number(id)).length,
    crowd: crowds.includes(Number(id)),
  }));
  return { width: ids.length, height: 1, ids: Uint32Array.from(ids), segments };
}

const quality = (truth: PanopticMap, prediction: PanopticMap) => {
  const evaluator = panopticQuality(classes);
  evaluator.add(truth, prediction);
  return evaluator.result();
};

/** Panoptic quality from its definition, pixel by pixel over every pair of segments. */
function slowQuality(images: { truth: PanopticMap; prediction: PanopticMap }[], label: number) {
  let [iou, tp, fp, fn] = [0, 0, 0, 0];
  for (const { truth, prediction } of images) {
    const pixels = [...truth.ids.keys()];
    const count = (test: (t: number, p: number) => boolean) =>
      pixels.filter((i) => test(truth.ids[i], prediction.ids[i])).length;
    const real = truth.segments.filter((segment) => segment.label === label && !segment.crowd);
    const crowd = truth.segments.findLast((segment) => segment.label === label && segment.crowd)?.id ?? -1;
    const found = prediction.segments.filter((segment) => segment.label === label);
    const pairs = real.flatMap((g) =>
      found.map((d) => {
        const union = count((t, p) => (t === g.id || p === d.id) && !(t === 0 && p === d.id));
        return { g, d, value: count((t, p) => t === g.id && p === d.id) / union };
      }),
    );
    const matches = pairs.filter(({ value }) => value > 0.5);
    iou += matches.reduce((sum, { value }) => sum + value, 0);
    tp += matches.length;
    fn += real.filter((g) => !matches.some((match) => match.g === g)).length;
    fp += found.filter((d) => {
      const excused = count((t, p) => p === d.id && (t === 0 || t === crowd)) / count((_, p) => p === d.id);
      return !matches.some((match) => match.d === d) && excused <= 0.5;
    }).length;
  }
  return tp + fp + fn === 0 ? null : iou / (tp + fp / 2 + fn / 2);
}

/** A map of few segments in long runs; the label of a segment follows from its id. */
const mapOf = (length: number, crowds: boolean) =>
  fc.array(fc.integer({ min: 0, max: 6 }), { minLength: length, maxLength: length }).map((draws) => {
    const ids = draws.map((_, i) => draws[i - (i % 5)]);
    const present = [...new Set(ids)].filter((id) => id > 0);
    return rowMap(
      ids,
      Object.fromEntries(present.map((id) => [id, id % 3])),
      crowds ? present.filter((id) => id > 4) : [],
    );
  });

describe("panoptic quality", () => {
  it("is that of its definition on random maps", () => {
    const image = fc
      .integer({ min: 10, max: 60 })
      .chain((length) => {
        return fc.record({
          truth: mapOf(length, true),
          prediction: mapOf(length, false),
          kept: fc.array(fc.boolean(), { minLength: length, maxLength: length }),
        });
      })
      .map(({ truth, prediction, kept }) => {
        // Most pixels are predicted right, or little would match.
        const ids = Array.from(prediction.ids, (id, i) => (kept[i - (i % 3)] ? truth.ids[i] : id));
        const present = [...new Set(ids)].filter((id) => id > 0);
        return { truth, prediction: rowMap(ids, Object.fromEntries(present.map((id) => [id, id % 3]))) };
      });
    fc.assert(
      fc.property(fc.array(image, { minLength: 1, maxLength: 3 }), (images) => {
        const evaluator = panopticQuality(classes);
        for (const { truth, prediction } of images) evaluator.add(truth, prediction);
        for (const { label, scores } of evaluator.result().classes) {
          const slow = slowQuality(images, label);
          if (slow === null) expect(scores.pq).toBeNull();
          else expect(scores.pq).toBeCloseTo(slow, 12);
        }
      }),
    );
  });

  it("by hand: a cat found with IoU 3/5, a dog invented, grass missed", () => {
    const truth = rowMap([1, 1, 1, 1, 2, 2, 2, 0, 0], { 1: 0, 2: 2 });
    const prediction = rowMap([0, 7, 7, 7, 7, 8, 8, 0, 0], { 7: 0, 8: 1 });
    const { summary, classes: rows } = quality(truth, prediction);
    expect(rows.map(({ name, scores }) => [name, scores])).toEqual([
      ["cat", { pq: 0.6, sq: 0.6, rq: 1, tp: 1, fp: 0, fn: 0 }],
      ["dog", { pq: 0, sq: 0, rq: 0, tp: 0, fp: 1, fn: 0 }],
      ["grass", { pq: 0, sq: 0, rq: 0, tp: 0, fp: 0, fn: 1 }],
    ]);
    expect(summary).toMatchObject({ pq: 0.6 / 3, pqThings: 0.3, pqStuff: 0, rqThings: 0.5 });
  });

  it("has no number for what a set does not hold", () => {
    const map = rowMap([1, 1], { 1: 2 });
    expect(quality(map, map).summary).toMatchObject({
      pq: 1,
      pqStuff: 1,
      pqThings: null,
      sqThings: null,
      rqThings: null,
    });
    expect(panopticQuality(classes).result().summary.pq).toBeNull();
  });

  it("takes the area of a ground-truth segment from its record", () => {
    const map = rowMap([1, 1, 1, 1], { 1: 0 });
    const recorded = { ...map, segments: [{ ...map.segments[0], area: 5 }] };
    expect(quality(recorded, map).summary.sq).toBe(4 / 5);
  });

  it.each([
    ["an id without a segment", rowMap([1, 2], { 1: 0 }), /list for every id of its map, found none for id 2/],
    ["a segment without a pixel", rowMap([1, 1], { 1: 0, 3: 1 }), /segment 3 without a pixel/],
    ["an unknown label", rowMap([1, 1], { 1: 3 }), /a label from 0 to 2 .*, found 3/],
    ["another size", rowMap([1, 1, 1], { 1: 0 }), /size \(2x1\), found 3x1/],
    ["a segment on void", rowMap([0, 0], { 0: 1 }), /found 0, which is void/],
  ])("refuses %s", (_, prediction, message) => {
    const act = () => panopticQuality(classes).add(rowMap([1, 1], { 1: 0 }), prediction, "image 7");
    expect(act).toThrow(InputError);
    expect(act).toThrow(message);
    expect(act).toThrow(/^image 7/);
  });
});

describe("average precision", () => {
  const [width, height] = [60, 60];
  /** `pixels` pixels from the `first` one on. */
  const mask = (first: number, pixels: number) =>
    encodeMask(
      Uint8Array.from({ length: width * height }, (_, i) => Number(i >= first && i < first + pixels)),
      width,
      height,
    );
  const object = (first: number, pixels: number, more: Partial<Instance> = {}): Instance => ({
    label: 0,
    crowd: false,
    area: pixels,
    shape: mask(first, pixels),
    ...more,
  });
  const detection = (first: number, pixels: number, score: number): ScoredInstance => ({
    label: 0,
    score,
    mask: mask(first, pixels),
  });
  const summary = (instances: Instance[], detections: ScoredInstance[]) => {
    const evaluator = averagePrecision(classes);
    evaluator.add({ width, height, instances }, detections);
    return evaluator.result().summary;
  };

  it("by hand: of two objects the better detection finds one, the other finds nothing", () => {
    // Precision 1 up to recall 0.5, which is 51 of the 101 recalls.
    const found = summary([object(0, 50), object(100, 50)], [detection(0, 50, 0.9), detection(300, 50, 0.8)]);
    expect(found.ap50).toBeCloseTo(51 / 101, 12);
    expect(found).toMatchObject({ ar1: 0.5, ar100: 0.5, apMedium: null, arLarge: null });
  });

  it("counts an object of exactly 32 x 32 pixels as small and as medium", () => {
    const found = summary([object(0, 1024)], [detection(0, 1024, 0.9)]);
    expect(found.apSmall).toBeCloseTo(1, 12);
    expect(found.apMedium).toBeCloseTo(1, 12);
    expect(found.apLarge).toBeNull();
  });

  it("takes the object's area from its record", () => {
    const found = summary([object(0, 50, { area: 2000 })], [detection(0, 50, 0.9)]);
    expect([found.apSmall, found.apMedium]).toEqual([null, expect.closeTo(1, 12)]);
  });

  it("lets a crowd take any number of detections without counting them", () => {
    const crowd = object(0, 500, { crowd: true });
    const inside = [0, 100, 200].map((first) => detection(first, 90, 0.95));
    expect(summary([crowd, object(1000, 80)], [...inside, detection(1000, 80, 0.9)]).ap).toBeCloseTo(1, 12);
    expect(summary([crowd], inside).ap).toBeNull();
  });

  it("keeps the order of equal scores, which decides", () => {
    const folder = join(METRICS, "ap", "all_scores_equal");
    const ap = (reverse: boolean) => (precisionCase(folder, "masks", reverse).found.stats as { AP: number }).AP;
    expect([ap(false), ap(true)]).toEqual([expect.closeTo(0.3945, 4), expect.closeTo(0.4173, 4)]);
  });

  it("refuses scores that are no numbers, unknown classes and masks of another size", () => {
    expect(() => summary([], [detection(0, 5, Number.NaN)])).toThrow(/scores that are numbers, found NaN/);
    expect(() => summary([], [{ ...detection(0, 5, 1), label: 4 }])).toThrow(/label from 0 to 2/);
    expect(() => summary([], [{ label: 0, score: 1, mask: encodeMask(new Uint8Array(6), 3, 2) }])).toThrow(
      /60x60\), found 3x2/,
    );
  });
});

describe("mean IoU", () => {
  const map = (...labels: number[]) => ({ width: labels.length, height: 1, labels: Uint16Array.from(labels) });

  it("by hand, with pixels to ignore on both sides", () => {
    const evaluator = semanticIou(classes);
    evaluator.add(map(0, 0, 0, 2, IGNORED), map(0, 0, 2, IGNORED, 1));
    const { summary, classes: rows } = evaluator.result();
    expect(rows.map(({ scores }) => scores.iou)).toEqual([2 / 3, null, 0]);
    expect(rows.map(({ scores }) => scores.acc)).toEqual([2 / 3, null, 0]);
    expect(summary).toMatchObject({ miou: 1 / 3, aacc: 2 / 4, fwiou: (3 / 4) * (2 / 3) });
  });

  it("counts a class that is only predicted as 0", () => {
    const evaluator = semanticIou(classes);
    evaluator.add(map(0, 0), map(0, 1));
    expect(evaluator.result().summary.miou).toBe((1 / 2 + 0) / 2);
  });

  it("has no number without labels, and says so in JSON", () => {
    const evaluator = semanticIou(classes);
    evaluator.add(map(IGNORED), map(1));
    expect(JSON.stringify(evaluator.result().summary)).toBe(
      '{"miou":null,"macc":null,"aacc":null,"fwiou":null,"mprecision":null,"mdice":null}',
    );
  });

  it("refuses labels that are no class", () => {
    expect(() => semanticIou(classes).add(map(3), map(0))).toThrow(/found 3/);
    expect(() => semanticIou(classes).add(map(0), map(255))).toThrow(/found 255/);
  });
});
