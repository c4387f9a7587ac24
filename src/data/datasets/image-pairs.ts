/** @file Folders of images, and the label maps that belong to them by name. */

import { join, relative, resolve, sep } from "node:path";
import { InputError } from "../../core/errors.js";
import { someOf } from "../../core/text.js";
import { folderSource } from "../files/folder-source.js";
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
  const paths = match === undefined ? all : all.filter(globMatcher(match, `match of ${folder}`));
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
  /** Images without a label, labels without an image, and names of which more than one file has. */
  readonly faults: readonly DataFault[];
}

/** Files by their stems. */
function byStem(paths: readonly string[], suffix: string): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const path of paths) {
    const stem = stemOf(path, suffix);
    if (stem !== undefined) files.set(stem, [...(files.get(stem) ?? []), path]);
  }
  return files;
}

/** A PNG wins over pictures of the labels beside it. */
const bestOf = (paths: readonly string[]) => (paths.some(isPng) ? paths.filter(isPng) : paths);

/** What is wrong with a pair, for the image's message. */
function pairFault(image: string, images: readonly string[], labels: readonly string[], folders: Folders): DataFault {
  const several = images.length > 1 ? images.map((path) => join(folders.images, path)) : labels;
  const found = images.length > 1 ? `${someOf(several)} for ${labels[0]}` : someOf(several);
  return new DataFault("ambiguous name", {
    where: join(folders.images, image),
    expected: images.length > 1 ? "one image for a label map" : `one label map in ${folders.labels}`,
    found,
    fix: "Give each file a name of its own, apart from its type and the spelling of accents.",
  });
}

interface Folders {
  readonly images: string;
  readonly labels: string;
}

/**
 * Pairs images with label maps by their paths below the two folders, leaving suffixes and file types aside. Where two
 * images or two maps have one name, none of them is used.
 * @throws InputError when not one image has a label
 */
export async function pairWithLabels(
  images: ImageFolder,
  folder: string,
  { imageSuffix = "", labelSuffix = "" }: Suffixes,
): Promise<LabelFiles> {
  const folders = { images: images.folder, labels: folder };
  const labels = byStem((await pathsBelow(folder)).paths, labelSuffix);
  const shared = resolve(folder) === resolve(images.folder);
  // In a shared folder the maps are no images, and an image is not its own map.
  const labelsOf = (stem: string, image: string) =>
    bestOf((labels.get(stem) ?? []).filter((path) => !(shared && path === image)));
  const isLabel = (path: string) => {
    const stem = stemOf(path, labelSuffix);
    return shared && stem !== undefined && isPng(path) && bestOf(labels.get(stem) ?? []).includes(path);
  };
  const candidates = images.paths.filter((path) => !isLabel(path));
  const alike = byStem(candidates, imageSuffix);
  const anyCase = new Map([...labels].map(([stem, [path]]) => [stem.toLowerCase(), path]));

  const labelOf = new Map<string, string>();
  const faults: DataFault[] = [];
  for (const path of candidates) {
    const stem = stemOf(path, imageSuffix);
    const found = stem === undefined ? [] : labelsOf(stem, path);
    const rivals = alike.get(stem ?? "") ?? [];
    if (found.length === 1 && rivals.length === 1) labelOf.set(path, join(folder, found[0]));
    else if (found.length > 0) faults.push(pairFault(path, rivals, found, folders));
    else {
      const expected = `a label map ${join(folder, `${stem ?? path}${labelSuffix}.png`)}`;
      const near = anyCase.get((stem ?? "").toLowerCase());
      const fix = near && `Did you mean ${near}? Upper and lower case must agree.`;
      faults.push(new DataFault("missing label", { where: join(images.folder, path), expected, found: "none", fix }));
    }
  }
  if (labelOf.size === 0) throw noPair(images, labels, labelSuffix, faults);
  return { labelOf, faults: [...faults, ...labelsWithoutImages(images, folder, labels, imageSuffix)] };
}

function noPair(
  images: ImageFolder,
  labels: ReadonlyMap<string, readonly string[]>,
  labelSuffix: string,
  faults: readonly DataFault[],
): InputError {
  const ambiguous = faults.find(({ kind }) => kind === "ambiguous name");
  if (ambiguous) return ambiguous;
  const { where, expected } = faults[0]?.problem ?? { where: images.folder, expected: "images beside their labels" };
  const [first] = labels.values();
  const found = first ? `labels named like ${first[0]}` : `no file that ends in ${labelSuffix}`;
  const fix = "Names must agree; image_suffix and label_suffix take away what differs before the dot.";
  return new InputError({ where, expected, found, fix });
}

function labelsWithoutImages(
  images: ImageFolder,
  folder: string,
  labels: ReadonlyMap<string, readonly string[]>,
  imageSuffix: string,
): DataFault[] {
  const unreadable = images.faults.map(({ problem }) => relative(images.folder, problem.where).split(sep).join("/"));
  const stems = new Set([...images.all, ...unreadable].map((path) => stemOf(path, imageSuffix)));
  return [...labels].flatMap(([stem, paths]) => {
    if (stems.has(stem)) return [];
    const expected = `an image ${join(images.folder, `${stem}${imageSuffix}`)}.*`;
    return paths.map((path) => new DataFault("missing image", { where: join(folder, path), expected, found: "none" }));
  });
}
