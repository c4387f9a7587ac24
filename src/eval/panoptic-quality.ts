/** @file Panoptic quality (Kirillov et al. 2019) exactly as panopticapi computes it. Keeps four numbers a class. */

import { InputError } from "../core/errors.js";
import type { PanopticMap, Segment, SegmentationClass } from "../masks/segmentation.js";
import { checkLabel, checkSameSize, classRows, mean, type Score, type Scores } from "./scores.js";

/** Segments match when their IoU is above this; a prediction with more than this on void or a crowd is no error. */
const HALF = 0.5;
const VOID = 0;

/** Rows or columns of a table: void first, then the segments. */
function indices(segments: readonly Segment[], where: string): Map<number, number> {
  const found = new Map([[VOID, 0]]);
  for (const { id } of segments) {
    if (found.has(id)) {
      const expected = "segment ids above 0 that differ";
      throw new InputError({ where, expected, found: id === VOID ? "0, which is void" : `${id} twice` });
    }
    found.set(id, found.size);
  }
  return found;
}

/** Pixels that each ground-truth segment (rows) shares with each predicted one (columns). */
function overlaps(truth: PanopticMap, prediction: PanopticMap, where: string) {
  const [rows, columns] = [indices(truth.segments, where), indices(prediction.segments, where)];
  // Ground truth that its list does not mention is neither void nor a segment; it has a row of its own.
  const unlisted = rows.size;
  const [trueIds, predictedIds, stride] = [truth.ids, prediction.ids, columns.size];
  const shared = new Float64Array((rows.size + 1) * stride);
  for (let start = 0, end = 0; start < trueIds.length; start = end) {
    const [trueId, predictedId] = [trueIds[start], predictedIds[start]];
    end = start + 1;
    while (end < trueIds.length && trueIds[end] === trueId && predictedIds[end] === predictedId) end++;
    const column = columns.get(predictedId);
    if (column === undefined) {
      const expected = "a segment in the prediction's list for every id of its map";
      throw new InputError({ where, expected, found: `none for id ${predictedId}` });
    }
    shared[(rows.get(trueId) ?? unlisted) * stride + column] += end - start;
  }
  const areas = new Float64Array(stride);
  shared.forEach((pixels, i) => {
    areas[i % stride] += pixels;
  });
  return {
    between: (trueId: number, predictedId: number) => shared[rows.get(trueId)! * stride + columns.get(predictedId)!],
    predictedArea: (id: number) => areas[columns.get(id)!],
  };
}

/**
 * @param classes those of both the ground truth and the predictions; unmatched ones of another class are errors of each
 * @returns an evaluator. `summary` has pq, sq and rq, each also of things and of stuff alone (`pqThings`, `pqStuff`,
 * ...): means over the classes that occur; rows have tp, fp and fn too. A class that occurs nowhere has null.
 */
export function panopticQuality(classes: readonly SegmentationClass[]) {
  const counts = classes.map(() => ({ iou: 0, tp: 0, fp: 0, fn: 0 }));

  function scoresOf(label: number): Record<string, Score> {
    const { iou, tp, fp, fn } = counts[label];
    if (tp + fp + fn === 0) return { pq: null, sq: null, rq: null, tp, fp, fn };
    const errors = tp + fp / 2 + fn / 2;
    return { pq: iou / errors, sq: tp > 0 ? iou / tp : 0, rq: tp / errors, tp, fp, fn };
  }

  return {
    /**
     * Counts one image. The area of a ground-truth segment is what its record says, that of a predicted one is counted.
     * @param where names the image in errors
     * @throws InputError when sizes differ, a label is no class, or the prediction's map and list have different ids
     */
    add(truth: PanopticMap, prediction: PanopticMap, where = "panoptic prediction"): void {
      checkSameSize(truth, prediction, where);
      for (const { label } of [...truth.segments, ...prediction.segments]) checkLabel(label, classes, where);
      const { between, predictedArea } = overlaps(truth, prediction, where);
      const matched = new Set<Segment>();
      /** Of each class the last crowd of the list counts, as in panopticapi. */
      const crowds = new Map<number, Segment>();
      for (const segment of truth.segments) {
        if (segment.crowd) {
          crowds.set(segment.label, segment);
          continue;
        }
        const count = counts[segment.label];
        let found = false;
        for (const predicted of prediction.segments) {
          if (predicted.label !== segment.label) continue;
          const intersection = between(segment.id, predicted.id);
          if (intersection === 0) continue;
          const union = predictedArea(predicted.id) + segment.area - intersection - between(VOID, predicted.id);
          if (intersection / union <= HALF) continue;
          count.tp++;
          count.iou += intersection / union;
          matched.add(predicted);
          found = true;
        }
        if (!found) count.fn++;
      }
      for (const predicted of prediction.segments) {
        const area = predictedArea(predicted.id);
        if (area === 0) {
          const found = `segment ${predicted.id} without a pixel`;
          throw new InputError({ where, expected: "pixels of every segment in the map", found });
        }
        if (matched.has(predicted)) continue;
        const crowd = crowds.get(predicted.label);
        const excused = between(VOID, predicted.id) + (crowd ? between(crowd.id, predicted.id) : 0);
        if (excused / area <= HALF) counts[predicted.label].fp++;
      }
    },

    result(): Scores {
      const rows = classRows(classes, scoresOf);
      const summary: Record<string, Score> = {};
      const groups = [
        ["", rows],
        ["Things", rows.filter(({ label }) => classes[label].isThing)],
        ["Stuff", rows.filter(({ label }) => !classes[label].isThing)],
      ] as const;
      for (const [group, members] of groups) {
        for (const name of ["pq", "sq", "rq"]) summary[name + group] = mean(members.map(({ scores }) => scores[name]));
      }
      return { summary, classes: rows };
    },
  };
}
