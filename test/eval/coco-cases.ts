/**
 * The metric cases in COCO's forms, evaluated: the cases of test/fixtures/metrics and those of a folder given by hand.
 */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { decode } from "fast-png";
import { averagePrecision } from "../../src/eval/average-precision.js";
import { panopticQuality } from "../../src/eval/panoptic-quality.js";
import type { Score, Scores } from "../../src/eval/scores.js";
import { semanticIou } from "../../src/eval/semantic-iou.js";
import { type CocoMask, fromCocoMask } from "../../src/masks/coco-masks.js";
import {
  IGNORED,
  type Instance,
  type PanopticMap,
  type ScoredInstance,
  type SegmentationClass,
} from "../../src/masks/segmentation.js";
import { readJson, readLabels } from "../support/metric-fixtures.js";

interface Category {
  id: number;
  name: string;
  isthing?: number;
}
interface CocoImage {
  id: number;
  width: number;
  height: number;
}

/** Numbers by name, or lists of them: what is compared. */
export type Numbers = Record<string, unknown>;
export interface Compared {
  readonly found: Numbers;
  readonly expected: Numbers;
}

function classesOf(categories: Category[]): { classes: SegmentationClass[]; labels: Map<number, number> } {
  const sorted = [...categories].sort((a, b) => a.id - b.id);
  const classes = sorted.map(({ id, name, isthing = 1 }) => ({
    id,
    name,
    isThing: isthing === 1,
    color: [0, 0, 0] as const,
  }));
  return { classes, labels: new Map(sorted.map(({ id }, label) => [id, label])) };
}

interface PanopticAnnotation {
  image_id: number;
  file_name: string;
  segments_info: { id: number; category_id: number; area?: number; iscrowd?: number }[];
}

function panopticMap(
  folder: string,
  { file_name, segments_info }: PanopticAnnotation,
  labels: Map<number, number>,
): PanopticMap {
  const { width, height, data } = decode(readFileSync(join(folder, file_name)));
  const ids = Uint32Array.from(
    { length: width * height },
    (_, i) => data[3 * i] + 256 * data[3 * i + 1] + 65536 * data[3 * i + 2],
  );
  const segments = segments_info.map(({ id, category_id, area = 0, iscrowd = 0 }) => ({
    id,
    label: labels.get(category_id)!,
    area,
    crowd: iscrowd === 1,
  }));
  return { width, height, ids, segments };
}

/** panopticapi writes 0 where a class, or every class of a group, has nothing. */
export function panopticCase(folder: string): Compared {
  const truth = readJson<{ annotations: PanopticAnnotation[]; categories: Category[] }>(folder, "gt.json");
  const predictions = readJson<{ annotations: PanopticAnnotation[] }>(folder, "pred.json").annotations;
  const { classes, labels } = classesOf(truth.categories);
  const evaluator = panopticQuality(classes);
  for (const annotation of truth.annotations) {
    const prediction = predictions.find(({ image_id }) => image_id === annotation.image_id)!;
    evaluator.add(
      panopticMap(join(folder, "gt"), annotation, labels),
      panopticMap(join(folder, "pred"), prediction, labels),
      prediction.file_name,
    );
  }
  const { summary, classes: rows } = evaluator.result();
  const { All, Things, Stuff, per_class, stats } = readJson<Record<string, Numbers>>(folder, "expected.json");
  const group = (name: string, isThing?: boolean) => {
    const present = rows.filter(
      ({ label, scores }) => scores.pq !== null && (isThing ?? classes[label].isThing) === classes[label].isThing,
    );
    return {
      pq: summary[`pq${name}`] ?? 0,
      sq: summary[`sq${name}`] ?? 0,
      rq: summary[`rq${name}`] ?? 0,
      n: present.length,
    };
  };
  const byId = <T>(value: (scores: Readonly<Record<string, Score>>) => T, used = rows) =>
    Object.fromEntries(used.map(({ label, scores }) => [String(classes[label].id), value(scores)]));
  const found = {
    All: group(""),
    Things: group("Things", true),
    Stuff: group("Stuff", false),
    per_class: byId(({ pq, sq, rq }) => ({ pq: pq ?? 0, sq: sq ?? 0, rq: rq ?? 0 })),
    stats: byId(
      ({ sq, tp, fp, fn }) => ({ iou: (sq ?? 0) * (tp ?? 0), tp, fp, fn }),
      rows.filter(({ scores }) => scores.pq !== null),
    ),
  };
  return { found, expected: { All, Things, Stuff, per_class, stats } };
}

interface CocoInstances {
  images: CocoImage[];
  categories: Category[];
  annotations: {
    id: number;
    image_id: number;
    category_id: number;
    iscrowd: number;
    area: number;
    segmentation: CocoMask | number[][];
  }[];
}
type Results = { image_id: number; category_id: number; score: number; segmentation: CocoMask }[];

const AP_NAMES = {
  ap: "AP",
  ap50: "AP50",
  ap75: "AP75",
  apSmall: "APs",
  apMedium: "APm",
  apLarge: "APl",
  ar1: "AR1",
  ar10: "AR10",
  ar100: "AR100",
};
const STATS_NAMES = { ...AP_NAMES, arSmall: "ARs", arMedium: "ARm", arLarge: "ARl" };

/** By pycocotools' names, with its -1 for null. */
const renamed = (scores: Readonly<Record<string, Score>>, names: Record<string, string>) =>
  Object.fromEntries(Object.entries(names).map(([ours, theirs]) => [theirs, scores[ours] ?? -1]));

export function precisionCase(folder: string, by: "masks" | "boxes", reverse = false): Compared {
  const truth = readJson<CocoInstances>(folder, "gt.json");
  const results = readJson<Results>(folder, "pred.json");
  if (reverse) results.reverse();
  const { classes, labels } = classesOf(truth.categories);
  const evaluator = averagePrecision(classes, by);
  for (const { id, width, height } of [...truth.images].sort((a, b) => a.id - b.id)) {
    const instances = truth.annotations
      .filter(({ image_id }) => image_id === id)
      .map(
        ({ category_id, iscrowd, area, segmentation }): Instance => ({
          label: labels.get(category_id)!,
          crowd: iscrowd === 1,
          area,
          shape: Array.isArray(segmentation) ? { polygons: segmentation } : fromCocoMask(segmentation),
        }),
      );
    const detections = results
      .filter(({ image_id }) => image_id === id)
      .map(
        ({ category_id, score, segmentation }): ScoredInstance => ({
          label: labels.get(category_id)!,
          score,
          mask: fromCocoMask(segmentation),
        }),
      );
    evaluator.add({ width, height, instances }, detections, `image ${id}`);
  }
  const { summary, classes: rows } = evaluator.result();
  const file = readJson<
    Record<"segm" | "bbox", { stats: Numbers; per_category: Record<string, Record<string, unknown>> }>
  >(folder, "expected.json");
  const { stats, per_category } = by === "masks" ? file.segm : file.bbox;
  const expected = Object.fromEntries(
    Object.entries(per_category).map(([id, { AP_by_iou: _, ...scores }]) => [id, scores]),
  );
  const perClass = Object.fromEntries(
    rows.map(({ label, scores }) => [String(classes[label].id), renamed(scores, AP_NAMES)]),
  );
  return { found: { stats: renamed(summary, STATS_NAMES), ...perClass }, expected: { stats, ...expected } };
}

const list = ({ classes }: Scores, name: string) => classes.map(({ scores }) => scores[name]);

/** mmseg's numbers. Labels of the files may begin at 1 (0 is then void). */
export function semanticCase(folder: string): Compared {
  const { num_classes, ignore_label, files, mmseg } = readJson<{
    num_classes: number;
    ignore_label: number;
    files: string[];
    mmseg: Numbers;
  }>(folder, "expected.json");
  const first = ignore_label === 0 ? 1 : 0;
  const classes = Array.from({ length: num_classes }, (_, i) => ({
    id: i + first,
    name: `class ${i}`,
    isThing: false,
    color: [0, 0, 0] as const,
  }));
  const evaluator = semanticIou(classes);
  const map = (kind: string, file: string) => {
    const { labels, ...size } = readLabels(folder, kind, file);
    return { ...size, labels: labels.map((value) => (value === ignore_label ? IGNORED : value - first)) };
  };
  for (const file of files) evaluator.add(map("gt", file), map("pred", file), file);
  const { areas: _, ...expected } = mmseg;
  return { found: mmsegNames(evaluator.result()), expected };
}

export function mmsegNames(scores: Scores): Numbers {
  const { summary } = scores;
  return {
    aAcc: summary.aacc,
    IoU: list(scores, "iou"),
    mIoU: summary.miou,
    Acc: list(scores, "acc"),
    mAcc: summary.macc,
    Dice: list(scores, "dice"),
    mDice: summary.mdice,
    Precision: list(scores, "precision"),
    mPrecision: summary.mprecision,
    Recall: list(scores, "acc"),
    mRecall: summary.macc,
  };
}

/** The numbers of nested records and lists by their path. */
function flat(value: unknown, path: string, into: Map<string, unknown>): Map<string, unknown> {
  if (value !== null && typeof value === "object")
    for (const [key, part] of Object.entries(value)) flat(part, `${path}/${key}`, into);
  else into.set(path, value);
  return into;
}

/** What differs by more than `tolerance`, or stands on one side only; and the largest difference there is. */
export function compare(
  { found, expected }: Compared,
  tolerance = 1e-9,
): { wrong: string[]; largest: number; numbers: number } {
  const [ours, theirs] = [flat(found, "", new Map()), flat(expected, "", new Map())];
  const wrong: string[] = [];
  let largest = 0;
  for (const path of new Set([...ours.keys(), ...theirs.keys()])) {
    const [a, b] = [ours.get(path), theirs.get(path)];
    if (typeof a === "number" && typeof b === "number") largest = Math.max(largest, Math.abs(a - b));
    if (typeof a === "number" && typeof b === "number" ? !(Math.abs(a - b) <= tolerance) : a !== b)
      wrong.push(`${path}: ${a}, expected ${b}`);
  }
  return { wrong, largest, numbers: theirs.size };
}
