/** @file The images to predict, their sizes and names for what is written of them, in the order that is fastest. */

import { extname } from "node:path";
import { InputError } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import type { WhiteLevel } from "../../core/image-decoder.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { someOf } from "../../core/text.js";
import { type ImageInputs, imageInputs } from "../../data/files/image-inputs.js";
import type { BadFile } from "../../data/source.js";
import { imageSize } from "../../io/image-file.js";
import { groupByPaddedSize } from "../predictor.js";
import type { SeenAs } from "../windows.js";

export interface ListedImage {
  /** In the source. */
  readonly index: number;
  /** Its id in COCO files. */
  readonly id: number;
  /** As reached from the places that were given. */
  readonly file: string;
  /** Unique, without suffix and separators. */
  readonly stem: string;
}

export interface ImageList {
  readonly source: ImageInputs;
  /** In the order of the places. */
  readonly images: readonly ListedImage[];
  /** Positions in `images`, those of one padded size together. */
  readonly order: readonly number[];
  /** How many padded sizes there are. */
  readonly sizes: number;
  readonly skipped: readonly BadFile[];
}

export interface ListOptions {
  readonly white?: WhiteLevel;
  /** The first so many that can be read. */
  readonly limit?: number;
  readonly reporter?: Reporter;
}

/** Looks at the header of every image. @throws InputError when there is none that can be read */
export async function listImages(
  places: readonly string[],
  seenAs: SeenAs,
  { white, limit = Number.POSITIVE_INFINITY, reporter = SILENT }: ListOptions = {},
): Promise<ImageList> {
  const source = await imageInputs(places, { white });
  const looking = reporter.begin("Looking at images", Math.min(limit, source.length));
  const skipped = [...source.faults];
  const indices: number[] = [];
  const sizes: Size[] = [];
  for (let index = 0; index < source.length && indices.length < limit; index++) {
    try {
      sizes.push(await imageSize(await source.read(index), source.name(index)));
      indices.push(index);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      skipped.push({ file: source.name(index), reason: error.problem.found });
    }
    looking.update(index + 1);
  }
  looking.end();
  if (indices.length === 0) throw noneReadable(places, skipped);
  const stems = uniqueStems(indices.map((index) => source.shortName(index)));
  const ids = idsOf(stems);
  const images = indices.map((index, i) => ({ index, id: ids[i], file: source.name(index), stem: stems[i] }));
  const groups = groupByPaddedSize(sizes, seenAs);
  return { source, images, order: groups.flat(), sizes: groups.length, skipped };
}

export function noneReadable(places: readonly string[], skipped: readonly BadFile[]): InputError {
  const [{ file, reason }] = skipped;
  const itself = places.length === 1 && places[0] === file;
  return new InputError({
    where: itself ? file : someOf(places, 3),
    expected: itself ? "an image that can be read" : "at least one image that can be read",
    found: itself ? reason : `none; ${file}: ${reason}`,
  });
}

/** `a/b.jpg` becomes `a_b`; a second one of that name `a_b-2`. */
function uniqueStems(names: readonly string[]): string[] {
  const taken = new Set<string>();
  const last = new Map<string, number>();
  return names.map((name) => {
    const plain = name.slice(0, name.length - extname(name).length).replace(/[^\p{L}\p{N}._-]+/gu, "_");
    // Case does not tell files apart everywhere.
    const key = plain.toLowerCase();
    let number = last.get(key) ?? 1;
    const stem = () => (number === 1 ? plain : `${plain}-${number}`);
    while (taken.has(stem().toLowerCase())) number++;
    last.set(key, number);
    taken.add(stem().toLowerCase());
    return stem();
  });
}

/** The numbers that the files are named by, as in COCO, if all are; otherwise 1, 2, ... */
function idsOf(stems: readonly string[]): number[] {
  const numbers = stems.map((stem) => (/^\d{1,15}$/.test(stem) ? Number(stem) : Number.NaN));
  const usable = !numbers.some(Number.isNaN) && new Set(numbers).size === numbers.length;
  return usable ? numbers : stems.map((_, i) => i + 1);
}
