/** @file What to tell somebody whose folder has no known layout: the YAML to write, as far as the folder shows it. */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { countIds } from "./derived-labels.js";
import { readLabelMap } from "./label-map.js";

/** What label folders are called beside (`trainannot`) or instead of (`masks`) images. */
const LABEL_WORDS = /(annotations?|annots?|labels?|masks?|gt|ground_?truth|segmentations?|targets?)$/i;
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

const isLabels = (path: string) => path.split("/").some((part) => LABEL_WORDS.test(part));

function pairsOf(folders: readonly string[]): Pair[] {
  return folders.filter(isLabels).flatMap((labels) => {
    const images = folders.find((folder) => !isLabels(folder) && keyOf(folder) === keyOf(labels));
    if (!images) return [];
    const split = SPLIT.exec(images)?.[0].toLowerCase() ?? "train";
    return [{ split, images, labels }];
  });
}

async function valuesIn(folder: string): Promise<number[]> {
  const names = (await readdir(folder)).filter((name) => name.toLowerCase().endsWith(".png")).sort();
  const values = new Set<number>();
  for (const name of names.slice(0, SAMPLED)) {
    const map = await readLabelMap(join(folder, name)).catch(() => undefined);
    for (const value of map ? countIds(map.ids).keys() : []) values.add(value);
  }
  return [...values].sort((a, b) => a - b);
}

/** A description of the pairs of folders below `root`, to be completed by its reader; undefined when there are none. */
export async function adviseDescription(root: string): Promise<string | undefined> {
  const pairs = pairsOf(await foldersWith(root, 2));
  if (pairs.length === 0) return undefined;
  const values = await valuesIn(join(root, pairs[0].labels));
  const seen = values.length > 0 ? `  # the first ${pairs[0].labels} hold ${values.slice(0, 40).join(", ")}` : "";
  const count = Math.max(
    0,
    values.findIndex((value, i) => value !== i) < 0 ? values.length : values.findIndex((value, i) => value !== i),
  );
  const names = Array.from({ length: Math.min(count, 40) }, (_, i) => `class${i}`);
  const ignored = values.slice(count);
  return [
    `classes: [${names.join(", ")}]${seen}`,
    `ignore: [${ignored.slice(0, 10).join(", ")}]  # values of no class`,
    ...pairs.map(({ split, images, labels }) => `${split}: { images: ${images}, semantic: ${labels} }`),
  ].join("\n");
}
