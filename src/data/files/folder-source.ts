/** @file Images in folders. */

import type { Dirent } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { WhiteLevel } from "../../core/image-decoder.js";
import { compareNatural } from "../../core/natural-order.js";
import { someOf } from "../../core/text.js";
import { pathAdvice } from "../../io/file-fault.js";
import { imageDecoder, READABLE_SUFFIXES } from "../../io/image-file.js";
import { readPicture } from "../../io/picture-file.js";
import type { BadFile, ImageSource } from "../source.js";

export interface FolderSource extends ImageSource {
  /**
   * Entries that look like images and are none: broken links, folders and pipes with an image's name, unread folders.
   */
  readonly faults: readonly BadFile[];
}

const READABLE = new Set(READABLE_SUFFIXES);
const UNSUPPORTED = new Set([
  "bmp",
  "heic",
  "heif",
  "jp2",
  "jxl",
  "ppm",
  "pgm",
  "exr",
  "psd",
  "dng",
  "cr2",
  "nef",
  "arw",
]);

/** Faults of one file, as opposed to faults of the machine (out of descriptors or memory). */
const FILE_FAULTS = new Set([
  "ENOENT",
  "EACCES",
  "EPERM",
  "EIO",
  "EISDIR",
  "ELOOP",
  "ENOTDIR",
  "ENAMETOOLONG",
  "ENXIO",
]);

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}

/** What a suffix says of a file. */
export function suffixKind(file: string): "image" | "unsupported image" | "other" {
  const suffix = extname(file).slice(1).toLowerCase();
  if (UNSUPPORTED.has(suffix)) return "unsupported image";
  return READABLE.has(suffix) ? "image" : "other";
}

export const unsupportedReason = (file: string) => `the format ${extname(file).toLowerCase()} is not supported`;

/** Images found so far. */
export interface Walk {
  readonly files: string[];
  readonly faults: BadFile[];
  /** Real paths of the folders entered, so that a link back up does not loop. */
  readonly entered: Set<string>;
}

type EntryKind = "file" | "folder" | "other" | "broken link";

async function kindOf(entry: Dirent, path: string): Promise<EntryKind> {
  let target: Pick<Dirent, "isFile" | "isDirectory"> = entry;
  if (entry.isSymbolicLink()) {
    try {
      target = await stat(path);
    } catch {
      return "broken link";
    }
  }
  if (target.isFile()) return "file";
  return target.isDirectory() ? "folder" : "other";
}

/** Adds the images of a folder and of those below it; one that cannot be read is a fault of its own. */
export async function enter(dir: string, found: Walk): Promise<void> {
  try {
    await walk(dir, found);
  } catch (error) {
    if (!FILE_FAULTS.has(codeOf(error))) throw error;
    found.faults.push({ file: dir, reason: `the folder cannot be read (${codeOf(error)})` });
  }
}

async function walk(dir: string, found: Walk): Promise<void> {
  const real = await realpath(dir);
  if (found.entered.has(real)) return;
  found.entered.add(real);
  const entries = (await readdir(dir, { withFileTypes: true })).filter((entry) => !entry.name.startsWith("."));
  for (const entry of entries.sort((a, b) => compareNatural(a.name, b.name))) {
    const file = join(dir, entry.name);
    const kind = await kindOf(entry, file);
    const named = suffixKind(entry.name);
    const fault = (reason: string) => found.faults.push({ file, reason });
    if (kind === "folder") {
      if (named === "image") fault("a folder with an image's name (its content is used)");
      await enter(file, found);
    } else if (named === "unsupported image") fault(unsupportedReason(file));
    else if (named === "other") continue;
    else if (kind === "file") found.files.push(file);
    else fault(kind === "other" ? "neither a file nor a folder" : "a broken link");
  }
}

async function requireFolder(dir: string): Promise<void> {
  const info = await stat(dir).catch(() => undefined);
  if (info?.isDirectory()) return;
  const found = info ? "something else" : "nothing there, or no right to look";
  throw new InputError({ where: dir, expected: "a folder of images", found, fix: pathAdvice(dir) });
}

/**
 * All images under one or several folders, nested or not, any case of suffix, links followed, hidden entries ignored.
 * The order is natural (img2 before img10), the same on every machine, and `name` is the path as reached from `dirs`.
 * Files are opened only by `read`.
 * @param options.white for images of more than 8 bits a sample
 * @throws InputError when a folder does not exist or no image is found.
 */
export async function folderSource(
  dirs: string | readonly string[],
  { white }: { white?: WhiteLevel } = {},
): Promise<FolderSource> {
  const roots = typeof dirs === "string" ? [dirs] : dirs;
  const found: Walk = { files: [], faults: [], entered: new Set() };
  for (const root of roots) {
    await requireFolder(root);
    await enter(root, found);
  }
  return sourceOf(found, roots, white);
}

/** The images of a walk as a source. @throws InputError when there is none */
export function sourceOf({ files, faults }: Walk, places: readonly string[], white?: WhiteLevel): FolderSource {
  if (files.length === 0) {
    const reasons = faults.slice(0, 3).map(({ file, reason }) => `${file}: ${reason}`);
    throw new InputError({
      where: someOf(places, 3),
      expected: `at least one image (${READABLE_SUFFIXES.join(", ")})`,
      found: ["none", ...reasons].join("; "),
      fix: "Point at photographs, or at a folder that holds some, directly or in folders below it.",
    });
  }
  return {
    length: files.length,
    faults,
    decoder: imageDecoder,
    white,
    name: (index) => files[index],
    read: (index) => readPicture(files[index], "an image file"),
  };
}
