/** @file What to tell somebody whose folder has no known layout: the YAML to write, as far as the folder shows it. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { countIds } from "./derived-labels.js";
import { readLabelMap } from "./label-map.js";

/** What label folders are called beside (`trainannot`) or instead of (`masks`) images. */
const LABEL_WORDS = /(annotations?|annots?|labels?|masks?|maps?|gt|ground_?truth|segmentations?|targets?)$/i;
const IMAGE = /\.(jpe?g|png|webp|tiff?)$/i;
const SPLIT = /train|val|test/i;
/** Label maps whose values are listed. */
const SAMPLED = 8;

interface Pair {
  readonly split: string;
  readonly images: string;
  readonly labels: string;
}

async function foldersWith(root: string, depth: number, below = ""): Promise<string[]> {
  const entries = await readdir(join(root, below), { withFileTypes: true }).catch(() => []);
  const own = below !== "" && entries.some((entry) => entry.isFile() && IMAGE.test(entry.name)) ? [below] : [];
  if (depth === 0) return own;
  const deeper = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith("."));
  const lists = await Promise.all(
    deeper.map(({ name }) => foldersWith(root, depth - 1, below ? `${below}/${name}` : name)),
  );
  return [...own, ...lists.flat()];
}

/** The folder's path without words for labels or images: equal for the two folders of a pair. */
const keyOf = (path: string) =>
  path
    .split("/")
    .map((part) =>
      part
        .replace(LABEL_WORDS, "")
        .replace(/(images?|imgs?|photos?)$/i, "")
        .replace(/[_-]+$/, ""),
    )
    .filter((part) => part !== "")
    .join("/");

const splitIn = (path: string) => SPLIT.exec(path)?.[0].toLowerCase();
const rankOf = (path: string) => ["train", "val", "test"].indexOf(splitIn(path) ?? "");
const bySplit = (a: string, b: string) => rankOf(a) - rankOf(b);

const isLabels = (path: string) => path.split("/").some((part) => LABEL_WORDS.test(part));

function pairsOf(folders: readonly string[]): Pair[] {
  return folders.filter(isLabels).flatMap((labels) => {
    const images = folders.find((folder) => !isLabels(folder) && keyOf(folder) === keyOf(labels));
    if (!images) return [];
    const split = splitIn(images) ?? "train";
    return [{ split, images, labels }];
  });
}

/** Values in a few maps of a folder, spread over it. */
async function valuesIn(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => name.toLowerCase().endsWith(".png")).sort();
  const step = Math.max(1, Math.floor(names.length / SAMPLED));
  const values = new Set<number>();
  for (const name of names.filter((_, i) => i % step === 0)) {
    const map = await readLabelMap(join(folder, name)).catch(() => undefined);
    for (const value of map ? countIds(map.ids).keys() : []) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

/** Values of more classes than these are rather ids of instances. */
const MOST_CLASSES = 200;

function classLines(values: readonly number[], folder: string): string[] {
  const [zero, other] = values;
  if (values.length === 2 && zero === 0 && other > 1) {
    return [
      `# Values seen in ${folder}: 0 and ${other}: masks of one class.`,
      "classes: [background, object]",
      `id_map: { 0: background, ${other}: object }`,
    ];
  }
  const last = values.filter((value) => value < MOST_CLASSES).at(-1) ?? 0;
  const names = Array.from({ length: last + 1 }, (_, i) => `class${i}`);
  const seen = values.length > 20 ? `${values.slice(0, 20).join(", ")}, ...` : values.join(", ");
  return [
    `# Values seen in ${folder}: ${seen}. The classes in the order of their values:`,
    `classes: [${names.join(", ")}]`,
    `ignore: [${values
      .filter((value) => value > last)
      .slice(0, 10)
      .join(", ")}]`,
  ];
}

/** COCO files of instances by the split in their names, each with a folder of images. */
async function jsonLines(root: string, folders: readonly string[]): Promise<string[]> {
  const places = ["", "annotations"];
  const lists = await Promise.all(places.map((place) => readdir(join(root, place)).catch(() => [])));
  const files = lists.flatMap((list, i) =>
    list.filter((name) => name.endsWith(".json")).map((name) => join(places[i], name)),
  );
  const images = folders.filter((folder) => !isLabels(folder));
  return files.sort(bySplit).flatMap((file) => {
    const split = splitIn(file);
    const folder = images.find((path) => split !== undefined && splitIn(path) === split) ?? images[0];
    return split && folder ? [`${split}: { images: ${folder}, instances: ${file} }`] : [];
  });
}

/**
 * A description of what lies below `root`, to be completed by its reader; undefined when there is nothing of the kind.
 */
export async function adviseDescription(root: string): Promise<string | undefined> {
  const folders = await foldersWith(root, 2);
  const pairs = pairsOf(folders).sort((a, b) => bySplit(a.images, b.images));
  if (pairs.length === 0) {
    const lines = await jsonLines(root, folders);
    return lines.length > 0 ? lines.join("\n") : undefined;
  }
  const [{ labels: first }] = pairs;
  const lines = pairs.map(({ split, images, labels }) => `${split}: { images: ${images}, semantic: ${labels} }`);
  return [...classLines(await valuesIn(join(root, first)), first), ...lines].join("\n");
}
