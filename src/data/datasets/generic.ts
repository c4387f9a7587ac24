/** @file Any data set that a YAML file describes: folders of images with label maps or COCO's JSON files. */

import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import { IGNORED, type SegmentationClass } from "../../masks/segmentation.js";
import { indexById, thingsFirst } from "./class-list.js";
import { classesOf, readCocoFile } from "./coco-json.js";
import type { DataSet } from "./data-set.js";
import type { Description } from "./description.js";
import { openLabelFiles, type SplitFiles, tasksOf } from "./label-files.js";
import type { Meanings } from "./label-sets.js";
import { placesInList } from "./label-values.js";

function meaningsOf(description: Description, classes: readonly SegmentationClass[]): Meanings {
  const { file, ignored, values, idMap } = description;
  const byId = indexById(classes);
  const void_ = ignored.map((value) => [value, IGNORED] as const);
  if (idMap) {
    const fix = `Add it to id_map or to ignore in ${file}.`;
    return { classes, categories: idMap, values: new Map([...void_, ...idMap]), fix };
  }
  const places = values === "place" ? placesInList(classes.length) : byId;
  const range =
    values === "place"
      ? `Values 0 to ${classes.length - 1} are the classes in their order`
      : "Values are the ids of the classes";
  const fix = `${range}; name others under ignore or id_map in ${file}${values === "place" ? ", or write `values: id` if they are ids" : ""}.`;
  return { classes, categories: byId, values: new Map([...places, ...void_]), fix };
}

async function requireRoot({ root, file }: Description): Promise<void> {
  const info = await stat(root).catch(() => undefined);
  if (info?.isDirectory()) return;
  const fix = `Pass --data-root DIR, or change root in ${file}.`;
  throw new InputError({
    where: root,
    expected: "the data set's folder",
    found: info ? "a file" : "nothing there",
    fix,
  });
}

/** Classes of the first JSON file there is, things first. */
async function classesOfJson({ file, splits }: Description): Promise<SegmentationClass[]> {
  const files = [...splits.values()];
  const json =
    files.find(({ panoptic }) => panoptic)?.panoptic?.json ?? files.find(({ instances }) => instances)?.instances;
  if (!json) {
    const fix = "Write them in the order of their values, for example classes: [sky, road].";
    throw new InputError({ where: file, expected: "classes", found: "none", fix });
  }
  return thingsFirst(classesOf(await readCocoFile(json)));
}

export async function openGeneric(description: Description): Promise<DataSet> {
  await requireRoot(description);
  const { file, name = basename(resolve(description.root)), splits } = description;
  const classes = description.classes ?? (await classesOfJson(description));
  const meanings = meaningsOf(description, classes);
  const filesOf = (split: string): SplitFiles => splits.get(split)!;
  return {
    name,
    format: "generic",
    where: file,
    splits: [...splits.keys()],
    tasks: (split) => tasksOf(filesOf(split)),
    open: (split, task) => openLabelFiles(filesOf(split), meanings, task),
  };
}
