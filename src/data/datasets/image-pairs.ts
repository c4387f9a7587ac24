/** @file Folders of images, and the label maps that belong to them by name. */

import { join, relative, resolve, sep } from "node:path";
import { InputError } from "../../core/errors.js";
import { folderSource } from "../source.js";
import { DataFault } from "./data-fault.js";
import { globMatcher } from "./glob.js";

export interface ImageFolder {
  readonly folder: string;
  /** Paths below the folder, with forward slashes, in natural order. */
  readonly paths: readonly string[];
  /** The same before a pattern took some out. */
  readonly all: ReadonlySet<string>;
  readonly faults: readonly DataFault[];
}

async function pathsBelow(folder: string): Promise<{ paths: string[]; faults: DataFault[] }> {
  const source = await folderSource(folder);
  const paths = Array.from({ length: source.length }, (_, i) => relative(folder, source.name(i)).split(sep).join("/"));
  const faults = source.faults.map(
    ({ file, reason }) => new DataFault("unreadable image", { where: file, expected: "an image file", found: reason }),
  );
  return { paths, faults };
}

/** The images of a folder whose paths fit `match`. @throws InputError when there are none */
export async function listImages(folder: string, match?: string): Promise<ImageFolder> {
  const { paths: all, faults } = await pathsBelow(folder);
  const paths = match === undefined ? all : all.filter(globMatcher(match));
  if (paths.length === 0) {
    const found = `none of ${all.length} images, the first of them ${all[0]}`;
    throw new InputError({ where: folder, expected: `images that fit the pattern ${match}`, found });
  }
  return { folder, paths, all: new Set(all), faults };
}

export interface Suffixes {
  /** What the names of images have before the dot, and labels have not. */
  readonly imageSuffix?: string;
  readonly labelSuffix?: string;
}

const isPng = (path: string) => /\.png$/i.test(path);

/** A path without its type and `suffix`; undefined when it has not that suffix. */
function stemOf(path: string, suffix: string): string | undefined {
  const stem = path.replace(/\.[^./]+$/, "").normalize("NFC"); // macOS writes accents apart
  return stem.endsWith(suffix) ? stem.slice(0, stem.length - suffix.length) : undefined;
}

export interface LabelFiles {
  /** Label file by the image's path below its folder. */
  readonly labelOf: ReadonlyMap<string, string>;
  /** Images without a label, labels without an image. */
  readonly faults: readonly DataFault[];
}

/**
 * Pairs images with label maps by their paths below the two folders, leaving suffixes and file types aside.
 * @throws InputError when not one image has a label
 */
export async function pairWithLabels(
  images: ImageFolder,
  folder: string,
  { imageSuffix = "", labelSuffix = "" }: Suffixes,
): Promise<LabelFiles> {
  const labels = new Map<string, string>();
  // A PNG comes last and wins over a picture of the labels beside it.
  const byType = (await pathsBelow(folder)).paths.sort((a, b) => Number(isPng(a)) - Number(isPng(b)));
  for (const path of byType) {
    const stem = stemOf(path, labelSuffix);
    if (stem !== undefined) labels.set(stem, path);
  }
  const shared = resolve(folder) === resolve(images.folder);
  const isLabel = (path: string) => shared && isPng(path) && labels.get(stemOf(path, labelSuffix) ?? "") === path;

  const labelOf = new Map<string, string>();
  const faults: DataFault[] = [];
  for (const path of images.paths) {
    if (isLabel(path)) continue;
    const stem = stemOf(path, imageSuffix);
    const label = stem === undefined ? undefined : labels.get(stem);
    if (label !== undefined && !(shared && label === path)) labelOf.set(path, join(folder, label));
    else {
      const expected = `a label map ${join(folder, `${stem ?? path}${labelSuffix}.png`)}`;
      faults.push(new DataFault("missing label", { where: join(images.folder, path), expected, found: "none" }));
    }
  }
  if (labelOf.size === 0) {
    const { where, expected } = faults[0]?.problem ?? { where: images.folder, expected: "images beside their labels" };
    const found =
      labels.size > 0 ? `labels named like ${[...labels.values()][0]}` : `no file that ends in ${labelSuffix}`;
    const fix = "Names must agree; image_suffix and label_suffix take away what differs before the dot.";
    throw new InputError({ where, expected, found, fix });
  }
  return { labelOf, faults: [...faults, ...labelsWithoutImages(images, folder, labels, imageSuffix)] };
}

function labelsWithoutImages(
  images: ImageFolder,
  folder: string,
  labels: ReadonlyMap<string, string>,
  imageSuffix: string,
): DataFault[] {
  const unreadable = images.faults.map(({ problem }) => relative(images.folder, problem.where).split(sep).join("/"));
  const stems = new Set([...images.all, ...unreadable].map((path) => stemOf(path, imageSuffix)));
  return [...labels].flatMap(([stem, path]) => {
    if (stems.has(stem)) return [];
    const expected = `an image ${join(images.folder, `${stem}${imageSuffix}`)}.*`;
    return new DataFault("missing image", { where: join(folder, path), expected, found: "none" });
  });
}
