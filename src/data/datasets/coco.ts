/**
 * @file COCO as it is distributed: annotations/{instances,panoptic}_SPLIT.json, images in SPLIT/, maps in
 * panoptic_SPLIT/.
 */

import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { exists } from "../../io/atomic-file.js";
import type { SegmentationClass, Task } from "../../masks/segmentation.js";
import { indexById, thingsFirst } from "./class-list.js";
import { readCocoFile } from "./coco-json.js";
import type { DataSet } from "./data-set.js";
import { noLabelsFor, openLabelFiles, type SplitFiles } from "./label-files.js";
import type { LabelledSplit } from "./split.js";

const JSON_NAME = /^(instances|panoptic)_(.+)\.json$/;

/** The first of several places that exists. */
async function firstOf(root: string, places: readonly string[]): Promise<string | undefined> {
  for (const place of places) if (await exists(join(root, place))) return join(root, place);
  return undefined;
}

async function filesOf(root: string, folder: string, split: string, kinds: ReadonlySet<string>): Promise<SplitFiles> {
  const images = await firstOf(root, [split, `images/${split}`, "images"]);
  if (!images) {
    const expected = `the images of ${split} in ${split}/, images/${split}/ or images/`;
    throw new InputError({ where: root, expected, found: "none of them" });
  }
  const json = (kind: string) => join(root, folder, `${kind}_${split}.json`);
  let panoptic: SplitFiles["panoptic"];
  if (kinds.has("panoptic")) {
    const masks = `panoptic_${split}`;
    const place = await firstOf(root, [masks, `annotations/${masks}`, `panoptic/${masks}`]);
    if (!place) {
      const fix = `Unpack ${masks}.zip, which is inside the archive of the panoptic annotations.`;
      throw new InputError({
        where: join(root, masks),
        expected: `the PNGs of ${json("panoptic")}`,
        found: "no folder",
        fix,
      });
    }
    panoptic = { json: json("panoptic"), masks: place };
  }
  return { images, panoptic, instances: kinds.has("instances") ? json("instances") : undefined };
}

/** Which JSON files there are: split -> kinds. */
async function findJson(root: string): Promise<{ folder: string; kinds: Map<string, Set<string>> } | undefined> {
  for (const folder of ["annotations", "panoptic"]) {
    const kinds = new Map<string, Set<string>>();
    for (const name of (await readdir(join(root, folder)).catch(() => [])).sort()) {
      const [, kind, split] = JSON_NAME.exec(name) ?? [];
      if (split) kinds.set(split, (kinds.get(split) ?? new Set()).add(kind));
    }
    if (kinds.size > 0) return { folder, kinds };
  }
  return undefined;
}

/** `train2017` is `train`, unless there is a `train2014` too. */
function shortNames(splits: readonly string[]): Map<string, string> {
  const short = splits.map((split) => split.replace(/(?<=^(train|val))\d{4}$/, ""));
  const names = splits.map((split, i) => (short.filter((name) => name === short[i]).length === 1 ? short[i] : split));
  return new Map(names.map((name, i) => [name, splits[i]]));
}

async function openSplit(files: SplitFiles, task: Task): Promise<LabelledSplit> {
  const main = task !== "instance" || !files.instances ? files.panoptic?.json : files.instances;
  if (!main) {
    throw noLabelsFor(files, task);
  }
  const classes: SegmentationClass[] = thingsFirst((await readCocoFile(main)).classes);
  const meanings = { classes, fromJson: true, values: new Map(), categories: indexById(classes), fix: () => "" };
  return openLabelFiles(files, meanings, task);
}

/** Whether a folder has COCO's layout. */
export async function isCoco(root: string): Promise<boolean> {
  return (await findJson(root)) !== undefined;
}

/**
 * Classes are the categories of the task's JSON file: things by rising id, then stuff (detectron2's builtin_meta.py).
 */
export async function openCoco(root: string): Promise<DataSet> {
  const { folder, kinds } = (await findJson(root)) ?? { folder: "annotations", kinds: new Map<string, Set<string>>() };
  const names = shortNames(
    [...kinds.keys()].sort((a, b) => Number(b.startsWith("train")) - Number(a.startsWith("train"))),
  );
  const kindsOf = (split: string) => kinds.get(names.get(split)!)!;
  return {
    name: "COCO",
    format: "COCO",
    where: root,
    splits: [...names.keys()],
    tasks: (split) => (kindsOf(split).has("panoptic") ? ["panoptic", "instance", "semantic"] : ["instance"]),
    open: async (split, task) => openSplit(await filesOf(root, folder, names.get(split)!, kindsOf(split)), task),
  };
}
