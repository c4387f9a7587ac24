/** @file COCO's instances: polygons, run lengths in both spellings, crowds. */

import { InputError } from "../../core/errors.js";
import { show } from "../../core/show.js";
import { type CocoMask, fromCocoMask } from "../../masks/coco-masks.js";
import { shapeMask } from "../../masks/polygons.js";
import { maskArea } from "../../masks/run-lengths.js";
import type { Instance, InstanceSet } from "../../masks/segmentation.js";
import { type CocoAnnotation, type CocoFile, type CocoImage, groupByImage } from "./coco-json.js";
import { DataFault } from "./data-fault.js";

export interface InstanceAnnotation extends CocoAnnotation {
  readonly id?: number;
  readonly category_id: number;
  readonly segmentation?: readonly (readonly number[])[] | CocoMask;
  readonly area?: number;
  readonly iscrowd?: number | boolean;
}

export interface InstanceReader {
  /** @throws DataFault that names the file and the annotation */
  read(image: CocoImage): InstanceSet;
  /** Whether the image has an object that is no crowd. */
  hasObjects(imageId: number | string): boolean;
  readonly notes: readonly string[];
}

function bad(where: string, expected: string, found: string, cause?: unknown): DataFault {
  return new DataFault("bad annotation", { where, expected, found }, { cause });
}

function checkPolygon(polygon: readonly number[], where: string): void {
  if (!Array.isArray(polygon) || polygon.length < 6 || polygon.length % 2 === 1) {
    const found = Array.isArray(polygon) ? `${polygon.length} coordinates` : show(polygon);
    throw bad(where, "polygons of three points or more, x and y each", found);
  }
  const at = polygon.findIndex((value) => !Number.isFinite(value));
  if (at >= 0) throw bad(where, "coordinates that are numbers", show(polygon[at]));
}

function shapeOf({ segmentation }: InstanceAnnotation, { width, height }: CocoImage, where: string): Instance["shape"] {
  if (Array.isArray(segmentation)) {
    if (segmentation.length === 0) throw bad(where, "a segmentation", "an empty one");
    for (const polygon of segmentation) checkPolygon(polygon, where);
    return { polygons: segmentation };
  }
  const { size, counts } = (segmentation ?? {}) as Partial<CocoMask>;
  if (!(Array.isArray(size) && (Array.isArray(counts) || typeof counts === "string"))) {
    throw bad(where, "polygons or run lengths in segmentation", show(segmentation));
  }
  if (size[0] !== height || size[1] !== width) {
    throw bad(where, `run lengths of the image's size [${height}, ${width}]`, show(size));
  }
  try {
    return fromCocoMask({ size: [height, width], counts }, where);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw bad(where, error.problem.expected, error.problem.found, error);
  }
}

/** @param labelOf label by category id */
export function createInstanceReader(
  document: CocoFile<InstanceAnnotation>,
  labelOf: ReadonlyMap<number, number>,
): InstanceReader {
  const { byImage, homeless } = groupByImage(document);
  const repeated = repeatedIds(document.annotations);
  const known = new Set(document.categories.map(({ id }) => id));

  function instance(annotation: InstanceAnnotation, image: CocoImage): Instance {
    const { id, category_id, iscrowd } = annotation;
    const where = `${document.file} annotation ${show(id)}`;
    if (id !== undefined && repeated.has(id)) throw bad(where, "an id of its own", "another annotation with that id");
    const label = labelOf.get(category_id);
    if (label === undefined) {
      const found = known.has(category_id) ? "a category that is no thing of the classes" : "no category of the file";
      const problem = { where: `${where} category_id ${show(category_id)}`, expected: "the id of a class", found };
      throw new DataFault("ids outside the classes", problem);
    }
    const shape = shapeOf(annotation, image, where);
    const area = Number.isFinite(annotation.area)
      ? annotation.area!
      : maskArea(shapeMask(shape, image.width, image.height));
    return { id, label, area, crowd: Boolean(iscrowd), shape };
  }

  return {
    notes: homeless > 0 ? [`${document.file}: ${homeless} annotations of images that it does not list`] : [],
    hasObjects: (imageId) => byImage.get(imageId)?.some(({ iscrowd }) => !iscrowd) ?? false,
    read(image) {
      const { width, height, id } = image;
      return { width, height, instances: (byImage.get(id) ?? []).map((annotation) => instance(annotation, image)) };
    },
  };
}

function repeatedIds(annotations: readonly InstanceAnnotation[]): ReadonlySet<number> {
  const seen = new Set<number>();
  const repeated = new Set<number>();
  for (const { id } of annotations) {
    if (id === undefined) continue;
    if (seen.has(id)) repeated.add(id);
    seen.add(id);
  }
  return repeated;
}
