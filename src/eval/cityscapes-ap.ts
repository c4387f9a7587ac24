/**
 * @file Cityscapes' average precision of instances, exactly as cityscapesScripts: not COCO's. Keeps the scores of
 * detections.
 */

import { intersectionArea } from "../masks/mask-algebra.js";
import { shapeMask } from "../masks/polygons.js";
import { maskArea, type RunLengths } from "../masks/run-lengths.js";
import type { InstanceSet, ScoredInstance, SegmentationClass } from "../masks/segmentation.js";
import { checkLabel, checkSameSize, classRows, mean, type Score, type Scores } from "./scores.js";

/** 0.5, 0.55, ... as `numpy.arange` rounds them; a match needs more than that. */
const OVERLAPS = Array.from({ length: 10 }, (_, i) => 0.5 + i * (0.55 - 0.5));
/** Objects of fewer pixels do not count. */
const SMALLEST = 100;

/** What is kept of a class at one overlap. */
interface Kept {
  /** Of detections that match an object, the best one each. */
  readonly right: number[];
  /** Of all others that count. */
  readonly wrong: number[];
  missed: number;
}

/** An object of a class in an image, or a group of them (a crowd). */
interface TrueObject {
  readonly mask: RunLengths;
  readonly area: number;
  readonly counts: boolean;
}

/** A detection of an image and the objects of its class that it touches. */
interface Detection {
  readonly score: number;
  readonly touches: readonly { readonly object: TrueObject; readonly iou: number }[];
  /** Share of its pixels on void, in groups and on objects that are too small. */
  readonly excused: number;
}

function describe(
  { score, mask }: ScoredInstance,
  objects: readonly (TrueObject & { crowd: boolean })[],
  ignored: number,
) {
  const area = maskArea(mask);
  let excused = ignored;
  const touches: { object: TrueObject; iou: number }[] = [];
  for (const object of objects) {
    const shared = intersectionArea(mask, object.mask);
    if (shared === 0) continue;
    touches.push({ object, iou: shared / (area + object.area - shared) });
    // A group that is small as well counts twice, as in the original.
    excused += shared * (Number(object.crowd) + Number(object.area < SMALLEST));
  }
  return { score, touches, excused: excused / area };
}

function match(objects: readonly TrueObject[], detections: readonly Detection[], overlap: number, into: Kept): void {
  const best = new Map<TrueObject, number>();
  for (const { score, touches, excused } of detections) {
    const hits = touches.filter(({ iou }) => iou > overlap);
    if (hits.length === 0 && excused <= overlap) into.wrong.push(score);
    for (const { object } of hits) {
      if (!object.counts) continue;
      const other = best.get(object);
      if (other !== undefined) into.wrong.push(Math.min(score, other));
      best.set(object, Math.max(score, other ?? score));
    }
  }
  into.right.push(...best.values());
  into.missed += objects.filter((object) => object.counts && !best.has(object)).length;
}

/**
 * Area under precision over recall, a point for each different score and one at recall 0 with precision 1. A point's
 * width is half the distance between its neighbours' recalls.
 */
function areaUnderCurve({ right, wrong, missed }: Kept): number {
  const detections = [...right.map((score) => ({ score, hit: 1 })), ...wrong.map((score) => ({ score, hit: 0 }))];
  detections.sort((a, b) => b.score - a.score);
  const points = [{ recall: 0, precision: 1 }];
  let hits = 0;
  detections.forEach(({ score, hit }, i) => {
    hits += hit;
    if (detections[i + 1]?.score === score) return;
    points.push({ recall: hits / (right.length + missed), precision: hits / (i + 1) });
  });
  return points.reduce((sum, { precision }, i) => {
    const [before, after] = [points[Math.max(i - 1, 0)], points[Math.min(i + 1, points.length - 1)]];
    return sum + (precision * (after.recall - before.recall)) / 2;
  }, 0);
}

/**
 * @param classes those of both the objects and the detections; only things are evaluated
 * @returns an evaluator. Rows (of things): ap (mean over overlaps above 0.5, 0.55, ..., 0.95) and ap50; `summary`:
 * their means over the classes that have objects. Others have null.
 */
export function cityscapesAp(classes: readonly SegmentationClass[]) {
  const kept = classes.map(() => OVERLAPS.map((): Kept => ({ right: [], wrong: [], missed: 0 })));
  const objectsOf = new Float64Array(classes.length);

  function scoresOf(label: number): Record<string, Score> {
    if (objectsOf[label] === 0) return { ap: null, ap50: null };
    const areas = kept[label].map(areaUnderCurve);
    return { ap: mean(areas), ap50: areas[0] };
  }

  return {
    /**
     * Counts one image.
     * @param truth objects, and as crowds the regions of several objects of a class
     * @param ignored pixels that belong to no class of the evaluation: detections there are no errors
     * @param where names the image in errors
     * @throws InputError when a label is no class or a mask not of the image's size
     */
    add(
      truth: InstanceSet,
      detections: readonly ScoredInstance[],
      ignored: RunLengths,
      where = "instance predictions",
    ): void {
      checkSameSize(truth, ignored, where);
      for (const { label } of [...truth.instances, ...detections]) checkLabel(label, classes, where);
      for (const { mask } of detections) checkSameSize(truth, mask, where);
      for (const [label, { isThing }] of classes.entries()) {
        if (!isThing) continue;
        const objects = truth.instances
          .filter((instance) => instance.label === label)
          .map(({ shape, crowd }) => {
            const mask = shapeMask(shape, truth.width, truth.height);
            const area = maskArea(mask);
            return { mask, area, crowd, counts: !crowd && area >= SMALLEST };
          });
        const described = detections
          .filter((detection) => detection.label === label && maskArea(detection.mask) > 0)
          .map((detection) => describe(detection, objects, intersectionArea(detection.mask, ignored)));
        objectsOf[label] += objects.filter(({ counts }) => counts).length;
        for (const [i, overlap] of OVERLAPS.entries()) match(objects, described, overlap, kept[label][i]);
      }
    },

    result(): Scores {
      const rows = classRows(classes, scoresOf).filter(({ label }) => classes[label].isThing);
      const meanOf = (name: string) => mean(rows.map(({ scores }) => scores[name]));
      return { summary: { ap: meanOf("ap"), ap50: meanOf("ap50") }, classes: rows };
    },
  };
}
