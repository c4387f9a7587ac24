import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { cityscapesAp } from "../../src/eval/cityscapes-ap.js";
import { cityscapesIou } from "../../src/eval/cityscapes-iou.js";
import { semanticIou } from "../../src/eval/semantic-iou.js";
import { encodeMask, encodeSegments, runLengths } from "../../src/masks/run-lengths.js";
import {
  IGNORED,
  type InstanceSet,
  type ScoredInstance,
  type SegmentationClass,
} from "../../src/masks/segmentation.js";
import { METRICS, readJson, readLabels } from "../support/metric-fixtures.js";
import { compare, mmsegNames } from "./coco-cases.js";

const THINGS = ["person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle"];
const names = [
  "road",
  "sidewalk",
  "building",
  "wall",
  "fence",
  "pole",
  "traffic light",
  "traffic sign",
  "vegetation",
  "terrain",
  "sky",
  ...THINGS,
];
const ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];
const classes: SegmentationClass[] = names.map((name, i) => ({
  id: ids[i],
  name,
  isThing: THINGS.includes(name),
  color: [0, 0, 0],
}));
const labelOf = (id: number) => (ids.includes(id) ? ids.indexOf(id) : IGNORED);

/** Ids from 1000 on are objects, lower ones regions of several. */
function instancesOf(file: string): InstanceSet {
  const { width, height, labels: values } = readLabels(file);
  const instances = [...encodeSegments(values, width, height)].flatMap(([value, shape]) => {
    const label = labelOf(value < 1000 ? value : Math.floor(value / 1000));
    return label === IGNORED || !classes[label].isThing ? [] : [{ label, crowd: value < 1000, area: 0, shape }];
  });
  return { width, height, instances };
}

describe("cityscapesScripts' results", () => {
  it("pixel level, and mmseg's on the same maps", () => {
    const folder = join(METRICS, "miou", "cityscapes_format");
    type Expected = Record<
      "classScores" | "classInstScores" | "categoryScores" | "categoryInstScores" | "mmseg_on_train_ids",
      Record<string, unknown>
    > &
      Record<string, unknown> & { files: string[] };
    const expected = readJson<Expected>(folder, "expected.json");
    const [evaluator, plain] = [cityscapesIou(classes), semanticIou(classes)];
    const map = (...path: string[]) => {
      const { labels, ...size } = readLabels(folder, ...path);
      return { ...size, labels: labels.map(labelOf) };
    };
    for (const file of expected.files) {
      const truth = map("gt", `${file}_gtFine_labelIds.png`);
      const prediction = map("pred", `${file}_pred.png`);
      evaluator.add(truth, instancesOf(join(folder, "gt", `${file}_gtFine_instanceIds.png`)), prediction, file);
      plain.add(truth, prediction, file);
    }
    const { summary, classes: rows, categories } = evaluator.result();
    const kept = (scores: Record<string, unknown>) =>
      Object.fromEntries(Object.entries(scores).filter(([name]) => names.includes(name)));
    const byName = (list: readonly { name: string; scores: Record<string, unknown> }[], key: string) =>
      Object.fromEntries(list.map(({ name, scores }) => [name, scores[key]]));
    const { void: _, ...categoryScores } = expected.categoryScores;
    const { void: __, ...categoryInstScores } = expected.categoryInstScores;
    const { areas, ...mmseg } = expected.mmseg_on_train_ids;
    const wanted = {
      classScores: kept(expected.classScores),
      classInstScores: kept(expected.classInstScores),
      categoryScores,
      categoryInstScores,
      means: [
        "averageScoreClasses",
        "averageScoreInstClasses",
        "averageScoreCategories",
        "averageScoreInstCategories",
      ].map((name) => expected[name]),
      mmseg,
    };
    const found = {
      classScores: byName(rows, "iou"),
      classInstScores: byName(rows, "iiou"),
      categoryScores: byName(categories, "iou"),
      categoryInstScores: byName(categories, "iiou"),
      means: [summary.miou, summary.iiou, summary.categoryMiou, summary.categoryIiou],
      mmseg: mmsegNames(plain.result()),
    };
    expect(compare({ found, expected: wanted }).wrong).toEqual([]);
  });

  it("instance level", () => {
    const folder = join(METRICS, "ap", "cityscapes_format");
    const { files, averages } = readJson<{
      files: string[];
      averages: { classes: Record<string, unknown> } & Record<string, unknown>;
    }>(folder, "expected.json");
    const evaluator = cityscapesAp(classes);
    for (const file of files) {
      const path = join(folder, "gt", `${file}_gtFine_instanceIds.png`);
      const { width, height, labels } = readLabels(path);
      const list = join(folder, "pred", `${file}_pred.txt`);
      const detections = readFileSync(list, "utf8")
        .trim()
        .split("\n")
        .map((line): ScoredInstance => {
          const [png, id, score] = line.split(" ");
          return {
            label: labelOf(Number(id)),
            score: Number(score),
            mask: encodeMask(readLabels(dirname(list), png).labels, width, height),
          };
        });
      const ignored = encodeMask(
        labels.map((value) => Number(value < 1000 && labelOf(value) === IGNORED)),
        width,
        height,
      );
      evaluator.add(instancesOf(path), detections, ignored, file);
    }
    const { summary, classes: rows } = evaluator.result();
    const found = {
      allAp: summary.ap,
      "allAp50%": summary.ap50,
      classes: Object.fromEntries(rows.map(({ name, scores }) => [name, { ap: scores.ap, "ap50%": scores.ap50 }])),
    };
    expect(compare({ found, expected: averages }).wrong).toEqual([]);
  });
});

describe("Cityscapes' instance level", () => {
  const [width, height] = [40, 40];
  const square = (x: number, y: number, across: number, down = across) => {
    const mask = new Uint8Array(width * height);
    for (let i = 0; i < across * down; i++) mask[(y + Math.floor(i / across)) * width + x + (i % across)] = 1;
    return encodeMask(mask, width, height);
  };
  const nothing = runLengths(width, height, [width * height]);
  const person = names.indexOf("person");
  const object = (shape: ReturnType<typeof square>, crowd = false) => ({ label: person, crowd, area: 0, shape });
  const detection = (mask: ReturnType<typeof square>, score: number) => ({ label: person, score, mask });
  const scores = (instances: InstanceSet["instances"], detections: ScoredInstance[], ignored = nothing) => {
    const evaluator = cityscapesAp(classes);
    evaluator.add({ width, height, instances }, detections, ignored);
    return evaluator.result().summary;
  };

  it("gives 1 to perfect detections, 0 to none, null to no object", () => {
    expect(scores([object(square(0, 0, 12))], [detection(square(0, 0, 12), 0.9)])).toEqual({ ap: 1, ap50: 1 });
    expect(scores([object(square(0, 0, 12))], [])).toEqual({ ap: 0, ap50: 0 });
    expect(scores([object(square(0, 0, 9))], [detection(square(0, 0, 9), 0.9)])).toEqual({ ap: null, ap50: null });
  });

  it("needs an IoU above the overlap, not at it", () => {
    expect(scores([object(square(0, 0, 12))], [detection(square(0, 0, 12, 6), 0.9)]).ap50).toBe(0);
    expect(scores([object(square(0, 0, 12))], [detection(square(0, 0, 12, 7), 0.9)]).ap50).toBe(1);
  });

  it("excuses detections on void, groups and small objects, not a second one of an object", () => {
    const real = object(square(0, 0, 12));
    const hit = detection(square(0, 0, 12), 0.5);
    const stray = detection(square(20, 20, 11), 0.9);
    // Points (recall, precision): (0, 1), (0, 0) of the stray, (1, 1/2); widths 0, 1/2, 1/2.
    expect(scores([real], [hit, stray]).ap50).toBe(0.25);
    expect(scores([real], [hit, stray], square(20, 20, 11)).ap50).toBe(1);
    // 11 x 11 of a group of 18 x 18: an IoU of 0.37, all of it excused. 7 x 9 of a small object: 0.45, 0.52 of it
    // excused.
    expect(scores([real, object(square(20, 20, 18), true)], [hit, stray]).ap50).toBe(1);
    expect(scores([real, object(square(20, 20, 18))], [hit, stray]).ap50).toBeLessThan(0.5);
    expect(scores([real, object(square(18, 20, 9))], [hit, stray]).ap50).toBe(1);
    const second = detection(square(0, 0, 11), 0.4);
    // Points (0, 1), (1, 1), (1, 1/2): widths 1/2, 1/2, 0. The better one of the two is the hit, whichever comes first.
    expect(scores([real], [hit, second]).ap50).toBe(1);
    expect(scores([real], [second, hit]).ap50).toBe(1);
  });

  it("refuses a class that Cityscapes has not", () => {
    expect(() => cityscapesIou([{ ...classes[0], name: "raod" }])).toThrow(InputError);
    expect(() => cityscapesIou([{ ...classes[0], name: "raod" }])).toThrow(/Did you mean "road"/);
  });
});
