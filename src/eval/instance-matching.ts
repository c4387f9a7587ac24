/** @file COCO's matching of detections to objects, for one class of one image. */

/** 0.5, 0.55, ..., 0.95 with the rounding of `numpy.linspace`, which decides cases on a threshold. */
export const IOU_THRESHOLDS: readonly number[] = Array.from({ length: 10 }, (_, i) =>
  i < 9 ? 0.5 + i * ((0.95 - 0.5) / 9) : 0.95,
);

/** Areas in pixels from which to which objects count, both included. */
export const AREAS = {
  all: [0, 1e10],
  small: [0, 32 ** 2],
  medium: [32 ** 2, 96 ** 2],
  large: [96 ** 2, 1e10],
} as const;
export type AreaName = keyof typeof AREAS;
export const AREA_NAMES = Object.keys(AREAS) as AreaName[];

const outside = (area: number, [from, to]: readonly [number, number]) => area < from || area > to;

export interface MatchedObject {
  readonly area: number;
  readonly crowd: boolean;
}

/** What became of the detections within one range of areas. */
export interface Matches {
  /** Objects that count: no crowd, and of a size in the range. */
  readonly objects: number;
  /** For each detection the thresholds (bit t is the t-th) at which it finds an object that counts. */
  readonly hits: Uint16Array;
  /** The same for those at which it finds nothing. Where neither bit is set, the detection is ignored. */
  readonly misses: Uint16Array;
}

/**
 * Matches detections, best first, each to the free object with which it overlaps most. Objects that do not count
 * take a detection only when no other does; a crowd takes any number of them.
 * @param ious a row a detection, a column an object
 * @param detectedAreas of the detections in pixels
 */
export function matchDetections(
  objects: readonly MatchedObject[],
  detectedAreas: readonly number[],
  ious: readonly Float64Array[],
  areas: readonly [number, number],
): Matches {
  const ignored = objects.map(({ area, crowd }) => crowd || outside(area, areas));
  const order = [...objects.keys()].sort((a, b) => Number(ignored[a]) - Number(ignored[b]));
  const counted = ignored.filter((flag) => !flag).length;
  const hits = new Uint16Array(detectedAreas.length);
  const misses = new Uint16Array(detectedAreas.length);
  IOU_THRESHOLDS.forEach((threshold, t) => {
    const taken = new Uint8Array(objects.length);
    ious.forEach((row, d) => {
      let best = -1;
      let bestIou = Math.min(threshold, 1 - 1e-10);
      for (const [place, o] of order.entries()) {
        if (place === counted && best >= 0) break;
        if ((taken[o] && !objects[o].crowd) || row[o] < bestIou) continue;
        bestIou = row[o];
        best = o;
      }
      if (best >= 0) {
        taken[best] = 1;
        if (!ignored[best]) hits[d] |= 1 << t;
      } else if (!outside(detectedAreas[d], areas)) {
        misses[d] |= 1 << t;
      }
    });
  });
  return { objects: counted, hits, misses };
}
