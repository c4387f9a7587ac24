/** @file COCO's JSON files: reading, and what must be true of them before anything is used. */

import { readFile, stat } from "node:fs/promises";
import { InputError } from "../../core/errors.js";
import { show } from "../../core/show.js";
import { fileFault } from "../../io/file-fault.js";
import type { SegmentationClass } from "../../masks/segmentation.js";
import { classList } from "./class-list.js";

export interface CocoImage {
  readonly id: number | string;
  readonly file_name: string;
  readonly width: number;
  readonly height: number;
}

export interface CocoCategory {
  readonly id: number;
  readonly name: string;
  /** Absent in files of instances, where all are things. */
  readonly isthing?: number | boolean;
  readonly color?: readonly [number, number, number];
}

/** Fields beyond `image_id` are looked at when an image's labels are read. */
export interface CocoAnnotation {
  readonly image_id: number | string;
}

export interface CocoFile<A extends CocoAnnotation> {
  readonly file: string;
  readonly images: readonly CocoImage[];
  readonly categories: readonly CocoCategory[];
  readonly annotations: readonly A[];
}

/** V8's longest string has 2^29 - 24 characters. */
const MAX_BYTES = 2 ** 29 - 24;

/** Size and time of the file. @throws InputError when it is missing or too large for one string */
async function stampOf(file: string): Promise<string> {
  const { size, mtimeMs } = await stat(file).catch((error: unknown) => {
    throw fileFault(error, file, "a COCO JSON file");
  });
  if (size > MAX_BYTES) {
    const expected = `a JSON file under ${Math.floor(MAX_BYTES / 1e6)} MB`;
    throw new InputError({
      where: file,
      expected,
      found: `${Math.round(size / 1e6)} MB`,
      fix: "Split it into several files.",
    });
  }
  return `${size} ${mtimeMs}`;
}

async function readText(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).replace(/^\uFEFF/, "");
  } catch (error) {
    throw fileFault(error, file, "a COCO JSON file");
  }
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const fix = /[:[,]\s*-?(NaN|Infinity)\b/.test(text)
      ? "NaN and Infinity are no JSON: write null, or repair the numbers."
      : undefined;
    throw new InputError({ where: file, expected: "valid JSON", found: (cause as Error).message, fix }, { cause });
  }
}

type Fields = Record<string, unknown>;

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isId = (value: unknown) => Number.isSafeInteger(value) || (typeof value === "string" && value !== "");
const isCount = (value: unknown) => Number.isInteger(value) && (value as number) > 0;

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
  throw new InputError({ where: `${path}[${at}].${key}`, expected, found: show(list[at][key]) });
}

function checkUnique(list: readonly Fields[], path: string): void {
  const seen = new Map<unknown, number>();
  list.forEach(({ id }, at) => {
    if (seen.has(id)) {
      const found = `${show(id)}, the id of [${seen.get(id)}] too`;
      throw new InputError({ where: `${path}[${at}].id`, expected: "an id of its own", found });
    }
    seen.set(id, at);
  });
}

function checkDocument(document: unknown, file: string): CocoFile<CocoAnnotation> {
  if (!isObject(document)) {
    throw new InputError({
      where: file,
      expected: "an object with images, annotations and categories",
      found: show(document),
    });
  }
  const images = listOf(document, "images", file);
  const categories = listOf(document, "categories", file);
  const annotations = listOf(document, "annotations", file);
  checkField(images, `${file} images`, "id", "a whole number or a text", isId);
  checkField(images, `${file} images`, "file_name", "a file's name", (name) => typeof name === "string" && name !== "");
  for (const side of ["width", "height"]) checkField(images, `${file} images`, side, "a number of pixels", isCount);
  checkField(categories, `${file} categories`, "id", "a whole number", Number.isSafeInteger);
  checkField(categories, `${file} categories`, "name", "a text", (name) => typeof name === "string");
  checkField(annotations, `${file} annotations`, "image_id", "the id of an image", isId);
  checkUnique(images, `${file} images`);
  checkUnique(categories, `${file} categories`);
  // The fields that these interfaces name were checked above.
  return { file, images, categories, annotations } as unknown as CocoFile<CocoAnnotation>;
}

/** Files that somebody still uses, so that classes and labels come from one reading. */
const opened = new Map<string, { stamp: string; document: WeakRef<CocoFile<CocoAnnotation>> }>();

/**
 * Reads a file of instances or panoptic annotations and checks its images and categories; a byte order mark is passed over.
 * @throws InputError that names the file and the element
 */
export async function readCocoFile<A extends CocoAnnotation>(file: string): Promise<CocoFile<A>> {
  const stamp = await stampOf(file);
  const known = opened.get(file);
  let document = known?.stamp === stamp ? known.document.deref() : undefined;
  if (!document) {
    document = checkDocument(parseJson(await readText(file), file), file);
    opened.set(file, { stamp, document: new WeakRef(document) });
  }
  return document as CocoFile<A>;
}

/** The file's categories as classes, in its order; `isthing` is 1 where it is not said. */
export function classesOf({ categories }: CocoFile<CocoAnnotation>): SegmentationClass[] {
  return classList(
    categories.map(({ id, name, isthing = 1, color }) => ({ id, name, isThing: Boolean(isthing), color })),
  );
}

/** The annotations of each image, and how many belong to images that the file does not list. */
export function groupByImage<A extends CocoAnnotation>({ images, annotations }: CocoFile<A>) {
  const byImage = new Map<number | string, A[]>(images.map(({ id }) => [id, []]));
  let homeless = 0;
  for (const annotation of annotations) {
    const list = byImage.get(annotation.image_id);
    if (list) list.push(annotation);
    else homeless++;
  }
  return { byImage, homeless };
}
