/** @file A split out of folders and JSON files: what the generic description and COCO's layout have in common. */

import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { InstanceSet, Task } from "../../masks/segmentation.js";
import { thingsOf } from "./class-list.js";
import { DataFault, type WantedSize } from "./data-fault.js";
import { instancesOfIds, instancesOfPanoptic } from "./derived-labels.js";
import { type ImageFolder, listImages, type Suffixes } from "./image-pairs.js";
import { readLabelMap } from "./label-map.js";
import { instancesFromJson, type LabelSet, labelMaps, type Meanings, panopticFromJson } from "./label-sets.js";
import { labelTable } from "./label-values.js";
import { createSplit, type LabelledSplit } from "./split.js";

/** Where a split's images and labels are. */
export interface SplitFiles extends Suffixes {
  /** Folder of images. */
  readonly images: string;
  /** Pattern of the paths below it that belong to the split. */
  readonly match?: string;
  /** Folder of semantic label maps. */
  readonly semantic?: string;
  /** COCO file of instances. */
  readonly instances?: string;
  readonly panoptic?: { readonly json: string; readonly masks: string };
  /** Folder of maps of instance ids, all of one class. */
  readonly instanceMaps?: string;
}

/** The tasks that a split has labels for, the one with most to learn first. */
export function tasksOf({ panoptic, instances, instanceMaps, semantic }: SplitFiles): Task[] {
  const tasks: Task[] = [];
  if (panoptic) tasks.push("panoptic");
  if (instances || instanceMaps || panoptic) tasks.push("instance");
  if (semantic || panoptic) tasks.push("semantic");
  return tasks;
}

/** Why a split cannot be opened for a task that it has no labels for. */
export function noLabelsFor(files: SplitFiles, task: Task): InputError {
  const others = tasksOf(files);
  return new InputError({
    where: files.images,
    expected: `labels for the task ${task}`,
    found: `labels for ${others.join(", ") || "none"}`,
    ...(others.length > 0 && { fix: `Take ${others.map((other) => `--task ${other}`).join(" or ")}.` }),
  });
}

/** The meanings for instances, which know only things. */
function meaningsOfThings(all: Meanings): Meanings {
  const classes = thingsOf(all.classes);
  const index = new Map(classes.map((entry, i) => [all.classes.indexOf(entry), i]));
  const categories = [...all.categories].flatMap(([id, label]) => {
    const thing = index.get(label);
    return thing === undefined ? [] : [[id, thing] as const];
  });
  return { ...all, classes, categories: new Map(categories) };
}

/** @throws InputError unless all objects of the maps are of one class */
function onlyThing({ classes }: Meanings, folder: string): number {
  const things = classes.flatMap(({ isThing }, index) => (isThing ? [index] : []));
  if (things.length === 1) return things[0];
  const found = `${things.length} things among the classes`;
  throw new InputError({ where: folder, expected: "one class of things for maps of instance ids", found });
}

async function instancesFromPanoptic(
  panoptic: NonNullable<SplitFiles["panoptic"]>,
  folder: ImageFolder,
  all: Meanings,
): Promise<LabelSet<InstanceSet>> {
  const set = await panopticFromJson(panoptic, folder, all);
  const things = thingsOf(all.classes);
  const labelOf = all.classes.map((entry) => things.indexOf(entry));
  return {
    ...set,
    read: async (path, wanted) => {
      const map = await set.read(path, wanted);
      const { width, height, instances } = instancesOfPanoptic(map, all.classes);
      const relabelled = instances.map((one) => ({ ...one, label: labelOf[one.label] }));
      return { width, height, instances: relabelled, remarks: map.remarks };
    },
  };
}

/** How to open the instances of a split; undefined when it has none of their own. */
function instanceOpener({ instances, instanceMaps, ...files }: SplitFiles, folder: ImageFolder, meanings: Meanings) {
  if (instances) return () => instancesFromJson(instances, folder, meanings);
  if (!instanceMaps) return undefined;
  return async () => {
    const label = onlyThing(meanings, instanceMaps);
    return labelMaps(instanceMaps, folder, files, async (...map) => instancesOfIds(await readLabelMap(...map), label));
  };
}

/** Opens once, on first use: a JSON file can be large. */
function once<T>(open: (() => Promise<T>) | undefined): (() => Promise<T>) | undefined {
  let opened: Promise<T> | undefined;
  return open && (() => (opened ??= open()));
}

/**
 * Opens a split for a task. The images are those of the task's labels; the other forms that the files hold are read
 * when asked for.
 * @throws InputError for a split without such labels, missing folders, JSON that cannot be used
 */
export async function openLabelFiles(files: SplitFiles, all: Meanings, task: Task): Promise<LabelledSplit> {
  const meanings = task === "instance" ? meaningsOfThings(all) : all;
  const { classes } = meanings;
  if (classes.length === 0) {
    throw new InputError({ where: "classes", expected: `a class for the task ${task}`, found: "no things among them" });
  }
  const folder = await listImages(files.images, files.match);
  const { panoptic, semantic } = files;
  const toLabels = labelTable(all.values, all.fix);
  const openPanoptic = once(panoptic && (() => panopticFromJson(panoptic, folder, all)));
  const openSemantic = once(
    semantic
      ? () => labelMaps(semantic, folder, files, async (...map) => toLabels(await readLabelMap(...map)))
      : undefined,
  );
  const openInstances = once(instanceOpener(files, folder, meanings));
  const derived = task === "instance" && panoptic ? () => instancesFromPanoptic(panoptic, folder, all) : undefined;

  const main = await {
    panoptic: openPanoptic,
    semantic: openSemantic ?? openPanoptic,
    instance: once(openInstances ?? derived),
  }[task]?.();
  if (!main) {
    throw noLabelsFor(files, task);
  }
  const paths = [...main.images.keys()];
  const reader = <T>(open: (() => Promise<LabelSet<T>>) | undefined) =>
    open &&
    (async (index: number, wanted: WantedSize) => {
      const set = await open();
      if (set.images.has(paths[index])) return set.read(paths[index], wanted);
      const where = join(folder.folder, paths[index]);
      throw new DataFault("missing label", {
        where,
        expected: "labels in every form that the split has",
        found: "none",
      });
    });
  const { hasObjects } = main;
  const openers = task === "panoptic" ? [openSemantic, openInstances] : [];
  return createSplit({
    openForms: async () => {
      for (const open of openers) await open?.();
    },
    task,
    classes,
    images: paths.map((path) => ({ file: join(folder.folder, path), id: main.images.get(path)! })),
    faults: [...folder.faults, ...main.faults],
    warnings: main.warnings,
    notes: main.notes,
    unused: folder.paths.filter((path) => !main.images.has(path)).map((path) => join(folder.folder, path)),
    hasObjects: hasObjects && ((index) => hasObjects(paths[index])),
    ifOneClass: all.ifOneClass,
    ...(task === "instance"
      ? { instances: reader(async () => main as LabelSet<InstanceSet>) }
      : { semantic: reader(openSemantic), instances: reader(openInstances), panoptic: reader(openPanoptic) }),
  });
}
