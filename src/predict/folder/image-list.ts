/** @file The images of a folder, their sizes and names for what is written of them, in the order that is fastest. */

import { extname, relative } from "node:path";
import { InputError } from "../../core/errors.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { type BadFile, type FolderSource, folderSource } from "../../data/source.js";
import { imageSize } from "../../io/image-file.js";
import type { WhiteLevel } from "../../io/samples.js";
import type { Size } from "../network-output.js";
import { groupByPaddedSize } from "../predictor.js";
import type { SeenAs } from "../windows.js";

export interface ListedImage {
  /** In the source. */
  readonly index: number;
  /** Its id in COCO files. */
  readonly id: number;
  /** As reached from the folders that were given. */
  readonly file: string;
  /** Unique, without suffix and separators. */
  readonly stem: string;
}

export interface ImageList {
  readonly source: FolderSource;
  /** In the order of the folder. */
  readonly images: readonly ListedImage[];
  /** Positions in `images`, those of one padded size together. */
  readonly order: readonly number[];
  /** How many padded sizes there are. */
  readonly sizes: number;
  readonly skipped: readonly BadFile[];
}

/** Looks at the header of every image. @throws InputError when there is none that can be read */
export async function listImages(
  folders: readonly string[],
  seenAs: SeenAs,
  { white, reporter = SILENT }: { white?: WhiteLevel; reporter?: Reporter } = {},
): Promise<ImageList> {
  const source = await folderSource(folders, { white });
  const looking = reporter.begin("Looking at images", source.length);
  const skipped = [...source.faults];
  const indices: number[] = [];
  const sizes: Size[] = [];
  for (let index = 0; index < source.length; index++) {
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
  if (indices.length === 0) throw noneReadable(folders, skipped);
  const stems = uniqueStems(indices.map((index) => shortName(source.name(index), folders)));
  const ids = idsOf(stems);
  const images = indices.map((index, i) => ({ index, id: ids[i], file: source.name(index), stem: stems[i] }));
  const groups = groupByPaddedSize(sizes, seenAs);
  return { source, images, order: groups.flat(), sizes: groups.length, skipped };
}

export function noneReadable(folders: readonly string[], skipped: readonly BadFile[]): InputError {
  const first = skipped[0];
  return new InputError({
    where: folders.join(", "),
    expected: "at least one image that can be read",
    found: `none; ${first.file}: ${first.reason}`,
  });
}

/** The path below the folder that it was found in. */
function shortName(file: string, folders: readonly string[]): string {
  const names = folders.map((folder) => relative(folder, file)).filter((name) => !name.startsWith(".."));
  return names.sort((a, b) => a.length - b.length)[0] ?? file;
}

/** `a/b.jpg` becomes `a_b`; a second one of that name `a_b-2`. */
function uniqueStems(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = name.slice(0, name.length - extname(name).length).replace(/[^\p{L}\p{N}._-]+/gu, "_");
    let stem = plain;
    // Case does not tell files apart everywhere.
    for (let i = 2; taken.has(stem.toLowerCase()); i++) stem = `${plain}-${i}`;
    taken.add(stem.toLowerCase());
    return stem;
  });
}

/** The numbers that the files are named by, as in COCO, if all are; otherwise 1, 2, ... */
function idsOf(stems: readonly string[]): number[] {
  const numbers = stems.map((stem) => (/^\d{1,15}$/.test(stem) ? Number(stem) : Number.NaN));
  const usable = !numbers.some(Number.isNaN) && new Set(numbers).size === numbers.length;
  return usable ? numbers : stems.map((_, i) => i + 1);
}
