/** @file COCO's average precision and recall of instances, exactly as pycocotools. Keeps a few numbers a detection. */

import { InputError } from "../core/errors.js";
import { boxIous, maskIous } from "../masks/mask-algebra.js";
import { shapeMask } from "../masks/polygons.js";
import { boundingBox, maskArea } from "../masks/run-lengths.js";
import type { Instance, InstanceSet, ScoredInstance, SegmentationClass } from "../masks/segmentation.js";
import { AREA_NAMES, AREAS, type AreaName, IOU_THRESHOLDS, matchDetections } from "./instance-matching.js";
import { checkLabel, checkSameSize, classRows, mean, type Score, type Scores } from "./scores.js";

/** Recalls 0, 0.01, ..., 1 at which precision is read, with numpy's rounding. */
const RECALLS = Float64Array.from({ length: 101 }, (_, i) => i * 0.01);
/** Detections of a class in an image that count at most. */
const MAX_DETECTIONS = 100;
/** numpy's spacing(1), which pycocotools adds to the number of detections. */
const EPSILON = Number.EPSILON;

/**
 * What is kept of a class: of every detection its score, its rank in its image, and for each range of areas its fate.
 */
interface Kept {
  readonly scores: number[];
  readonly ranks: number[];
  readonly hits: Record<AreaName, number[]>;
  readonly misses: Record<AreaName, number[]>;
  readonly objects: Record<AreaName, number>;
}

const byArea = <T>(value: () => T) =>
  Object.fromEntries(AREA_NAMES.map((area) => [area, value()])) as Record<AreaName, T>;

const nothingKept = (): Kept => ({
  scores: [],
  ranks: [],
  hits: byArea(() => []),
  misses: byArea(() => []),
  objects: byArea(() => 0),
});

/** Recall in the end, and precision at each of RECALLS: the best that is reached at this recall or a higher one. */
function curve(hits: readonly number[], misses: readonly number[], order: Uint32Array, bit: number, objects: number) {
  const [recalls, precisions] = [new Float64Array(order.length), new Float64Array(order.length)];
  let [right, wrong] = [0, 0];
  order.forEach((detection, i) => {
    right += (hits[detection] >> bit) & 1;
    wrong += (misses[detection] >> bit) & 1;
    recalls[i] = right / objects;
    precisions[i] = right / (right + wrong + EPSILON);
  });
  for (let i = order.length - 2; i >= 0; i--) precisions[i] = Math.max(precisions[i], precisions[i + 1]);
  let [at, sum] = [0, 0];
  for (const recall of RECALLS) {
    while (at < recalls.length && recalls[at] < recall) at++;
    if (at < precisions.length) sum += precisions[at];
  }
  return { recall: order.length > 0 ? right / objects : 0, precision: sum / RECALLS.length };
}

/** Average precision and recall at each threshold; undefined without objects. `order` is by falling score. */
function curves({ ranks, hits, misses, objects }: Kept, order: Uint32Array, area: AreaName, most: number) {
  if (objects[area] === 0) return undefined;
  const allowed = most < MAX_DETECTIONS ? order.filter((detection) => ranks[detection] < most) : order;
  return IOU_THRESHOLDS.map((_, bit) => curve(hits[area], misses[area], allowed, bit, objects[area]));
}

function classScores(kept: Kept): Record<string, Score> {
  const { scores } = kept;
  const order = Uint32Array.from(scores.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  const [all, small, medium, large] = AREA_NAMES.map((area) => curves(kept, order, area, MAX_DETECTIONS));
  const precision = (of: typeof all) => mean(of?.map((at) => at.precision) ?? []);
  const recall = (of: typeof all) => mean(of?.map((at) => at.recall) ?? []);
  return {
    ap: precision(all),
    ap50: all?.[0].precision ?? null,
    ap75: all?.[5].precision ?? null,
    apSmall: precision(small),
    apMedium: precision(medium),
    apLarge: precision(large),
    ar1: recall(curves(kept, order, "all", 1)),
    ar10: recall(curves(kept, order, "all", 10)),
    ar100: recall(all),
    arSmall: recall(small),
    arMedium: recall(medium),
    arLarge: recall(large),
  };
}

/**
 * @param classes those of both the objects and the detections
 * @param by whether overlaps are those of masks, or of the boxes around them
 * @returns an evaluator. Rows and `summary` have COCO's twelve numbers: ap (over IoU 0.5 to 0.95), ap50, ap75, apSmall,
 * apMedium, apLarge, ar1, ar10, ar100, arSmall, arMedium, arLarge; null where there is no object (COCO writes -1). The
 * summary is the mean over the classes that have objects.
 */
export function averagePrecision(classes: readonly SegmentationClass[], by: "masks" | "boxes" = "masks") {
  const kept = classes.map(nothingKept);

  function addClass(label: number, { width, height }: InstanceSet, objects: Instance[], detections: ScoredInstance[]) {
    const best = detections.sort((a, b) => b.score - a.score).slice(0, MAX_DETECTIONS);
    const [found, real] = [best.map(({ mask }) => mask), objects.map(({ shape }) => shapeMask(shape, width, height))];
    const isCrowd = (object: number) => objects[object].crowd;
    const ious =
      by === "masks" ? maskIous(found, real, isCrowd) : boxIous(found.map(boundingBox), real.map(boundingBox), isCrowd);
    const into = kept[label];
    best.forEach(({ score }, rank) => {
      into.scores.push(score);
      into.ranks.push(rank);
    });
    for (const area of AREA_NAMES) {
      const matches = matchDetections(objects, found.map(maskArea), ious, AREAS[area]);
      into.hits[area].push(...matches.hits);
      into.misses[area].push(...matches.misses);
      into.objects[area] += matches.objects;
    }
  }

  return {
    /**
     * Counts one image. Detections of equal score rank as they come, those of an earlier image first: pycocotools takes
     * images by rising id.
     * @param where names the image in errors
     * @throws InputError when a label is no class, a score no number, or a mask not of the image's size
     */
    add(truth: InstanceSet, detections: readonly ScoredInstance[], where = "instance predictions"): void {
      const pairs = new Map<number, { objects: Instance[]; detections: ScoredInstance[] }>();
      const pairOf = (label: number) => {
        checkLabel(label, classes, where);
        const pair = pairs.get(label) ?? { objects: [], detections: [] };
        pairs.set(label, pair);
        return pair;
      };
      for (const object of truth.instances) pairOf(object.label).objects.push(object);
      for (const detection of detections) {
        checkSameSize(truth, detection.mask, where);
        if (!Number.isFinite(detection.score)) {
          throw new InputError({ where, expected: "scores that are numbers", found: String(detection.score) });
        }
        pairOf(detection.label).detections.push(detection);
      }
      for (const [label, pair] of pairs) addClass(label, truth, pair.objects, pair.detections);
    },

    result(): Scores {
      const rows = classRows(classes, (label) => classScores(kept[label]));
      const names = Object.keys(classScores(nothingKept()));
      const summary = Object.fromEntries(names.map((name) => [name, mean(rows.map(({ scores }) => scores[name]))]));
      return { summary, classes: rows };
    },
  };
}
