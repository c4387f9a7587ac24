/** @file COCO's JSON files: reading, and what must be true of them before anything is used. */

import { InputError } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import { show } from "../../core/show.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import { classList, requireFewClasses } from "./class-list.js";
import { colorOf, type Fields, flagOf, idOf, isAbsent, isObject, numberedId } from "./json-fields.js";
import { readJson, stampOf } from "./json-file.js";

export interface CocoImage extends Size {
  readonly id: number | string;
  readonly file_name: string;
}

/** An annotation as the file has it. Fields beyond `image_id` are checked when an image's labels are read. */
export interface CocoAnnotation extends Fields {
  readonly image_id: number | string;
}

export interface CocoFile {
  readonly file: string;
  readonly images: readonly CocoImage[];
  /** Its categories, in its order; those of a file that does not say are things. */
  readonly classes: readonly SegmentationClass[];
  /** Ids of the categories of which the file says whether they are things. */
  readonly sayingThings: ReadonlySet<number>;
  readonly annotations: readonly CocoAnnotation[];
}

function listOf(document: Fields, key: string, file: string): Fields[] {
  const list = document[key];
  if (!Array.isArray(list)) throw new InputError({ where: `${file} ${key}`, expected: "a list", found: show(list) });
  const at = list.findIndex((item) => !isObject(item));
  if (at >= 0) throw new InputError({ where: `${file} ${key}[${at}]`, expected: "an object", found: show(list[at]) });
  return list;
}

/** Checks a field of every element. */
function checkField(
  list: readonly Fields[],
  path: string,
  key: string,
  expected: string,
  is: (value: unknown) => boolean,
) {
  const at = list.findIndex((item) => !is(item[key]));
  if (at < 0) return;
  const value = list[at][key];
  const tooLarge = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  const fix = tooLarge ? "JSON numbers above 2^53 lose digits: write the id as a text." : undefined;
  throw new InputError({ where: `${path}[${at}].${key}`, expected, found: show(value), fix });
}

function checkUnique(list: readonly Fields[], path: string): void {
  const seen = new Map<unknown, number>();
  list.forEach(({ id }, at) => {
    const key = idOf(id);
    if (seen.has(key)) {
      const found = `${show(id)}, the id of [${seen.get(key)}] too`;
      throw new InputError({ where: `${path}[${at}].id`, expected: "an id of its own", found });
    }
    seen.set(key, at);
  });
}

const isCount = (value: unknown) => Number.isInteger(value) && (value as number) > 0;
const isText = (value: unknown) => typeof value === "string" && value !== "";
const isId = (value: unknown) => idOf(value) !== undefined;
const isAbsentOr = (is: (value: unknown) => unknown) => (value: unknown) => isAbsent(value) || is(value) !== undefined;

function checkDocument(document: unknown, file: string): CocoFile {
  if (!isObject(document)) {
    const expected = "an object with images, annotations and categories";
    throw new InputError({ where: file, expected, found: show(document) });
  }
  const images = listOf(document, "images", file);
  const categories = listOf(document, "categories", file);
  const annotations = listOf(document, "annotations", file);
  const at = (key: string) => `${file} ${key}`;
  checkField(images, at("images"), "id", "a whole number or a text", isId);
  checkField(images, at("images"), "file_name", "a file's name", isText);
  for (const side of ["width", "height"]) checkField(images, at("images"), side, "a number of pixels", isCount);
  checkField(categories, at("categories"), "id", "a whole number", (id) => numberedId(id) !== undefined);
  checkField(categories, at("categories"), "name", "a text", isText);
  checkField(categories, at("categories"), "isthing", "0 or 1", isAbsentOr(flagOf));
  checkField(categories, at("categories"), "color", "[red, green, blue] from 0 to 255", isAbsentOr(colorOf));
  checkField(annotations, at("annotations"), "image_id", "the id of an image", isId);
  checkUnique(images, at("images"));
  checkUnique(categories, at("categories"));
  requireFewClasses(categories.length, at("categories"));
  const classes = categories.map(({ id, name, isthing, color }) => ({
    id: numberedId(id)!,
    name: name as string,
    isThing: flagOf(isthing) ?? true,
    color: colorOf(color),
  }));
  const saying = categories.filter(({ isthing }) => !isAbsent(isthing)).map(({ id }) => numberedId(id)!);
  return {
    file,
    // The fields that these interfaces name were checked above.
    images: images as unknown as CocoImage[],
    annotations: annotations as CocoAnnotation[],
    classes: classList(classes),
    sayingThings: new Set(saying),
  };
}

/** Files that somebody still uses, so that classes and labels come from one reading. */
const opened = new Map<string, { stamp: string; document: WeakRef<CocoFile> }>();

/**
 * Reads a file of instances or panoptic annotations and checks its images and categories.
 * @throws InputError that names the file and the element
 */
export async function readCocoFile(file: string): Promise<CocoFile> {
  const stamp = await stampOf(file);
  const known = opened.get(file);
  let document = known?.stamp === stamp ? known.document.deref() : undefined;
  if (!document) {
    document = checkDocument(await readJson(file), file);
    opened.set(file, { stamp, document: new WeakRef(document) });
  }
  return document;
}

/** What a message calls the annotation at a place in the file: by its id too, where it has one. */
export function annotationName({ file, annotations }: CocoFile, at: number): string {
  const { id } = annotations[at];
  return `${file} annotations[${at}]${isAbsent(id) ? "" : ` (id ${show(id)})`}`;
}

export interface AnnotationsByImage {
  /** Places of the image's annotations in the file. */
  of(imageId: number | string): readonly number[];
  readonly warnings: readonly string[];
}

/** The annotations of each image by their places in the file. */
export function groupByImage({ file, images, annotations }: CocoFile): AnnotationsByImage {
  const byImage = new Map<number | string | undefined, number[]>(images.map(({ id }) => [idOf(id), []]));
  const homeless: number[] = [];
  annotations.forEach(({ image_id }, at) => {
    (byImage.get(idOf(image_id)) ?? homeless).push(at);
  });
  const [first] = homeless;
  return {
    of: (imageId) => byImage.get(idOf(imageId)) ?? [],
    warnings:
      homeless.length > 0
        ? [
            `${file}: ${homeless.length} of ${annotations.length} annotations belong to no image of it, ` +
              `for example annotations[${first}] with the image_id ${show(annotations[first].image_id)}`,
          ]
        : [],
  };
}
