/** @file Images as a person points at them: files, folders, patterns, in any mixture. */

import { readdir, stat } from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";
import { glob, isDynamicPattern } from "tinyglobby";
import { InputError, nearest } from "../../core/errors.js";
import type { WhiteLevel } from "../../core/image-decoder.js";
import { compareNatural } from "../../core/natural-order.js";
import { someOf } from "../../core/text.js";
import { errorCode, fileFault } from "../../io/file-fault.js";
import { enter, type FolderSource, sourceOf, suffixKind, unsupportedReason, type Walk } from "./folder-source.js";

export interface ImageInputs extends FolderSource {
  /** The path below the folder that was given, or a file's own name: what results may be called after. */
  shortName(index: number): string;
  /** The folders that were searched. */
  readonly folders: readonly string[];
}

const EXPECTED = "an image, a folder of images, or a pattern such as 'photos/*.jpg'";

/** What is under a name; undefined for nothing. */
async function kindOf(place: string): Promise<"file" | "folder" | "other" | undefined> {
  try {
    const info = await stat(place);
    return info.isFile() ? "file" : info.isDirectory() ? "folder" : "other";
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return undefined;
    throw fileFault(error, place, EXPECTED);
  }
}

/** Shells of Windows leave patterns to the program, and separate folders by what escapes a character elsewhere. */
const asPattern = (place: string) => (process.platform === "win32" ? place.replaceAll("\\", "/") : place);

async function nothingThere(place: string): Promise<InputError> {
  const names = await readdir(dirname(place)).catch(() => []);
  const near = nearest(basename(place), names);
  const fix = near === undefined ? "Check the path." : `Did you mean "${near}"?`;
  return new InputError({ where: place, expected: EXPECTED, found: "nothing of that name", fix });
}

/** A pattern's folder, up to the first part in which anything is special, and the rest. */
function split(path: string): { base: string; pattern: string } {
  const parts = path.split("/");
  const first = Math.max(
    0,
    parts.findIndex((part) => /[*?[\](){}!]/.test(part)),
  );
  const base = parts.slice(0, first).join("/");
  return { base: first === 0 ? "." : base || "/", pattern: parts.slice(first).join("/") };
}

class Collection implements Walk {
  readonly files: string[] = [];
  readonly faults: Walk["faults"] = [];
  readonly entered = new Set<string>();
  readonly shortNames: string[] = [];
  readonly folders: string[] = [];
  /** Absolute paths: a file that is pointed at twice is taken once. */
  private readonly taken = new Set<string>();

  addFile(file: string, shortName: string): void {
    this.files.push(file);
    this.settle(this.files.length - 1, () => shortName);
  }

  async addFolder(folder: string, base = folder): Promise<void> {
    const before = this.files.length;
    await enter(folder, this);
    this.settle(before, (file) => relative(base, file));
    this.folders.push(folder);
  }

  /** Names the files from `start` on, without those that were there before. */
  private settle(start: number, shortName: (file: string) => string): void {
    for (const file of this.files.splice(start)) {
      const path = resolve(file);
      if (this.taken.has(path)) continue;
      this.taken.add(path);
      this.files.push(file);
      this.shortNames.push(shortName(file));
    }
  }

  /** What the shell would make of a pattern; of its files those that are images by their suffix. */
  async addMatches(place: string): Promise<void> {
    const { base, pattern } = split(asPattern(place));
    if (pattern.includes("**")) this.folders.push(base);
    const found = await glob(pattern, { cwd: base, onlyFiles: false, expandDirectories: false });
    const others: string[] = [];
    for (const match of found.sort(compareNatural)) {
      const path = join(base, match.replace(/\/$/, ""));
      const kind = await kindOf(path);
      const named = suffixKind(path);
      if (kind === "folder") await this.addFolder(path, base);
      else if (kind === "file" && named === "image") this.addFile(path, relative(base, path));
      else if (kind === "file" && named === "unsupported image")
        this.faults.push({ file: path, reason: unsupportedReason(path) });
      else others.push(path);
    }
    if (found.length > others.length) return;
    const what = others.length > 0 ? `${someOf(others, 3)}, which are no images` : "nothing";
    throw new InputError({
      where: place,
      expected: "a pattern that fits images or folders",
      found: `one that fits ${what}`,
      fix: "Check it, and put it between quotes so that the shell leaves it alone.",
    });
  }
}

/**
 * The images at places, in the order of these; those of a folder or a pattern in natural order. Folders are searched
 * with those below them. A file that is named is taken whatever its suffix says; reading tells whether it is an image.
 * @throws InputError for a place where nothing is, a pattern that fits nothing, and when there is no image at all
 */
export async function imageInputs(
  places: readonly string[],
  { white }: { white?: WhiteLevel } = {},
): Promise<ImageInputs> {
  const found = new Collection();
  for (const place of places) {
    const kind = await kindOf(place);
    if (kind === "folder") await found.addFolder(place);
    else if (kind === "file") found.addFile(place, basename(place));
    else if (kind === "other") {
      throw new InputError({ where: place, expected: EXPECTED, found: "neither a file nor a folder" });
    } else if (isDynamicPattern(asPattern(place))) await found.addMatches(place);
    else throw await nothingThere(place);
  }
  const source = sourceOf(found, places, white);
  return { ...source, shortName: (index) => found.shortNames[index], folders: found.folders };
}
