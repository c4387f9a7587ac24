/** @file Any data set that a YAML file describes: folders of images with label maps or COCO's JSON files. */

import { stat } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { InputError } from "../../core/errors.js";
import { IGNORED, type SegmentationClass } from "../../masks/segmentation.js";
import { indexById, thingsFirst } from "./class-list.js";
import { readCocoFile } from "./coco-json.js";
import type { DataSet } from "./data-set.js";
import type { Description } from "./description.js";
import { openLabelFiles, type SplitFiles, tasksOf } from "./label-files.js";
import type { Meanings } from "./label-sets.js";
import { placesInList } from "./label-values.js";

/** @throws InputError for a value that is ignored and stands for a class */
function refuseIgnoredClass(
  { file, ignored, idMap }: Description,
  classes: readonly SegmentationClass[],
  values: ReadonlyMap<number, number>,
): void {
  for (const value of ignored) {
    const name = classes[values.get(value) ?? -1]?.name;
    if (name === undefined) continue;
    throw new InputError({
      where: `${file} ignore`,
      expected: "values that stand for no class",
      found: `${value}, which stands for the class "${name}"${idMap ? " in id_map" : ""}`,
      fix: `Take ${value} out of ignore, or give "${name}" another value.`,
    });
  }
}

/**
 * The YAML for masks of two values, 0 and another one, which are the commonest masks of all. Undefined where there are
 * more classes.
 */
function twoValues(classes: readonly SegmentationClass[], value: number): string | undefined {
  const [first, second = first] = classes;
  if (classes.length > 2) return undefined;
  if (first !== second) return `id_map: { 0: ${first.id}, ${value}: ${second.id} }`;
  return `classes: [background, ${JSON.stringify(first.name)}] and id_map: { 0: 0, ${value}: 1 }`;
}

function adviceOnValues({ file, values, idMap }: Description, classes: readonly SegmentationClass[]): Meanings["fix"] {
  return (found) => {
    const [zero, value] = found;
    const yaml = !idMap && found.length === 2 && zero === 0 ? twoValues(classes, value) : undefined;
    if (yaml) return `For masks of 0 and ${value} write ${yaml} in ${file}.`;
    if (idMap) return `Add it to id_map or to ignore in ${file}.`;
    const others = `name others under ignore or id_map in ${file}`;
    return values === "place"
      ? `Values 0 to ${classes.length - 1} are the classes in their order; ${others}, or write \`values: id\` if ` +
          "they are ids."
      : `Values are the ids of the classes; ${others}.`;
  };
}

function adviceOnIgnored({ file, ignored, idMap }: Description, classes: readonly SegmentationClass[]) {
  const value = ignored.includes(255) ? 255 : ignored.length === 1 ? ignored[0] : 0;
  const yaml = idMap || value === 0 ? undefined : twoValues(classes, value);
  return yaml && `If ${value} is ${classes.at(-1)?.name}, write ${yaml} in ${file} and take ${value} out of ignore.`;
}

function meaningsOf(description: Description, classes: readonly SegmentationClass[]): Meanings {
  const { ignored, values, idMap } = description;
  const byId = indexById(classes);
  const ofClasses = idMap ?? new Map(values === "place" ? placesInList(classes.length) : byId);
  refuseIgnoredClass(description, classes, ofClasses);
  return {
    classes,
    fromJson: description.classes === undefined,
    categories: idMap ?? byId,
    values: new Map([...ofClasses, ...ignored.map((value) => [value, IGNORED] as const)]),
    fix: adviceOnValues(description, classes),
    ifOneClass: adviceOnIgnored(description, classes),
  };
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
  return thingsFirst((await readCocoFile(json)).classes);
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
