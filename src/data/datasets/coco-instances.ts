/** @file COCO's instances: polygons, run lengths in both spellings, crowds. */

import { InputError } from "../../core/errors.js";
import { show } from "../../core/show.js";
import { fromCocoMask } from "../../masks/coco-masks.js";
import { MAX_COORDINATE, requireDrawable, shapeMask } from "../../masks/polygons.js";
import { boundingBox, maskArea, type RunLengths } from "../../masks/run-lengths.js";
import type { Instance, InstanceSet, LabelRemark, Polygons } from "../../masks/segmentation.js";
import { annotationName, type CocoFile, type CocoImage, groupByImage } from "./coco-json.js";
import { DataFault, requireSize, type WantedSize } from "./data-fault.js";
import { type Fields, flagOf, idOf, isAbsent, isObject, numberedId } from "./json-fields.js";

export interface InstanceReader {
  /** @throws DataFault that names the file, the annotation and the field */
  read(entries: readonly CocoImage[], wanted: WantedSize): InstanceSet;
  /** Whether the entries have an object that is no crowd, as far as that can be told without reading it. */
  hasObjects(entries: readonly CocoImage[]): boolean;
  readonly warnings: readonly string[];
}

function bad(where: string, expected: string, found: string, cause?: unknown): DataFault {
  return new DataFault("bad annotation", { where, expected, found }, { cause });
}

function checkPolygon(polygon: unknown, where: string): void {
  if (!Array.isArray(polygon) || polygon.length < 6 || polygon.length % 2 === 1) {
    const found = Array.isArray(polygon) ? `${polygon.length} coordinates` : show(polygon);
    throw bad(where, "polygons of three points or more, x and y each", found);
  }
  const at = polygon.findIndex((value) => !Number.isFinite(value) || Math.abs(value) > MAX_COORDINATE);
  if (at < 0) return;
  throw bad(`${where}[${at}]`, `coordinates that are numbers of at most ${MAX_COORDINATE}`, show(polygon[at]));
}

function shapeOf({ segmentation }: Fields, { width, height }: CocoImage, where: string): Instance["shape"] {
  if (Array.isArray(segmentation)) {
    if (segmentation.length === 0) throw bad(where, "a segmentation", "an empty one");
    segmentation.forEach((polygon, i) => {
      checkPolygon(polygon, `${where}[${i}]`);
    });
    return { polygons: segmentation };
  }
  const { size, counts } = isObject(segmentation) ? segmentation : ({} as Fields);
  if (!(Array.isArray(size) && (Array.isArray(counts) || typeof counts === "string"))) {
    throw bad(where, "polygons or run lengths in segmentation", show(segmentation));
  }
  if (size.length !== 2 || size[0] !== height || size[1] !== width) {
    throw bad(`${where}.size`, `run lengths of the image's size [${height}, ${width}]`, show(size));
  }
  try {
    return fromCocoMask({ size: [height, width], counts }, `${where}.counts`);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new DataFault("bad annotation", error.problem, { cause: error });
  }
}

/**
 * Whether an area that the file states can be that of the mask: the area within an outline differs from its pixels by
 * what the outline cuts of those on it.
 */
function isAreaOf(mask: RunLengths, stated: unknown): stated is number {
  const counted = maskArea(mask);
  const [, , width, height] = boundingBox(mask);
  return typeof stated === "number" && Math.abs(stated - counted) <= 0.05 * counted + (width + height) / 2;
}

const areaOf = (mask: RunLengths, stated: unknown) => (isAreaOf(mask, stated) ? stated : maskArea(mask));

function isOutside({ polygons }: Polygons, { width, height }: CocoImage): boolean {
  const beyond = (axis: 0 | 1, end: number) =>
    polygons.every((polygon) => {
      const values = polygon.filter((_, i) => i % 2 === axis);
      return values.every((value) => value <= 0) || values.every((value) => value >= end);
    });
  return beyond(0, width) || beyond(1, height);
}

/** @param labelOf label by category id */
export function createInstanceReader(document: CocoFile, labelOf: ReadonlyMap<number, number>): InstanceReader {
  const { annotations, classes } = document;
  const { of, warnings } = groupByImage(document);
  const repeated = repeatedIds(annotations);
  const known = new Set(classes.map(({ id }) => id));
  const placesOf = (entries: readonly CocoImage[]) => entries.flatMap(({ id }) => of(id));

  function labelAt(at: number): number {
    const { category_id } = annotations[at];
    const id = numberedId(category_id);
    const label = id === undefined ? undefined : labelOf.get(id);
    if (label !== undefined) return label;
    const none =
      id !== undefined && known.has(id) ? "a category that is no thing of the classes" : "no category of the file";
    const where = `${annotationName(document, at)} category_id`;
    const found = `${show(category_id)}, ${none}`;
    throw new DataFault("ids outside the classes", { where, expected: "the id of a class", found });
  }

  function instance(at: number, image: CocoImage): Instance {
    const annotation = annotations[at];
    const { id, iscrowd, area } = annotation;
    const name = annotationName(document, at);
    const ownId = idOf(id);
    if (ownId === undefined && !isAbsent(id)) throw bad(`${name}.id`, "a whole number or a text", show(id));
    if (ownId !== undefined && repeated.has(ownId)) {
      throw bad(`${name}.id`, "an id of its own", "another annotation with that id");
    }
    const crowd = isAbsent(iscrowd) ? false : flagOf(iscrowd);
    if (crowd === undefined) throw bad(`${name}.iscrowd`, "0 or 1", show(iscrowd));
    const label = labelAt(at);
    const shape = shapeOf(annotation, image, `${name}.segmentation`);
    let known: number | undefined;
    return {
      id: typeof ownId === "number" ? ownId : undefined,
      label,
      crowd,
      shape,
      // Drawn for metrics alone: training asks for no area.
      get area() {
        known ??= areaOf(shapeMask(shape, image.width, image.height), area);
        return known;
      },
    };
  }

  function remarksOf(drawn: readonly { at: number; instance: Instance }[], image: CocoImage): LabelRemark[] {
    return drawn.flatMap(({ at, instance: { shape } }): LabelRemark[] => {
      const name = annotationName(document, at);
      if ("polygons" in shape && isOutside(shape, image)) return [{ kind: "outside", text: name }];
      const { area } = annotations[at];
      if (isAbsent(area)) return [];
      const mask = shapeMask(shape, image.width, image.height);
      if (isAreaOf(mask, area)) return [];
      return [{ kind: "area", text: `${name}: ${show(area)} in place of ${maskArea(mask)}` }];
    });
  }

  return {
    warnings,
    hasObjects: (entries) => placesOf(entries).some((at) => flagOf(annotations[at].iscrowd) !== true),
    read(entries, wanted) {
      const [image] = entries;
      const { width, height } = image;
      const where = `${document.file} image ${show(image.id)}`;
      requireSize(image, where, wanted);
      const drawn = placesOf(entries).map((at) => ({ at, instance: instance(at, image) }));
      const polygons = drawn.flatMap(({ instance: { shape } }) => ("polygons" in shape ? shape.polygons : []));
      requireDrawable(polygons, width, height, where);
      const kept = entries.length > 1 ? withoutCopies(drawn) : drawn;
      return {
        width,
        height,
        instances: kept.map((one) => one.instance),
        get remarks() {
          const own = new Set(kept);
          const copies = drawn.filter((one) => !own.has(one));
          const repeats = copies.map(({ at }) => ({ kind: "repeated" as const, text: annotationName(document, at) }));
          return [...remarksOf(kept, image), ...repeats];
        },
      };
    },
  };
}

/** Entries that were merged from two exports of one file bring its objects twice. */
function withoutCopies<T extends { instance: Instance }>(drawn: readonly T[]): T[] {
  const seen = new Set<string>();
  return drawn.filter(({ instance: { label, crowd, shape } }) => {
    const key = JSON.stringify([label, crowd, "polygons" in shape ? shape.polygons : [...shape.counts]]);
    const isNew = !seen.has(key);
    seen.add(key);
    return isNew;
  });
}

function repeatedIds(annotations: readonly Fields[]): ReadonlySet<number | string> {
  const seen = new Set<number | string>();
  const repeated = new Set<number | string>();
  for (const annotation of annotations) {
    const id = idOf(annotation.id);
    if (id === undefined) continue;
    if (seen.has(id)) repeated.add(id);
    seen.add(id);
  }
  return repeated;
}
