/** @file Cityscapes as it is distributed (leftImg8bit, gtFine): labels as cityscapesScripts derives them. */

import { join } from "node:path";
import { exists } from "../../io/atomic-file.js";
import { encodeMask, encodeSegments, maskArea, type RunLengths } from "../../masks/run-lengths.js";
import { IGNORED, type Instance, type InstanceSet, type PanopticMap, type Task } from "../../masks/segmentation.js";
import { classList, indexById, thingsOf } from "./class-list.js";
import type { WantedSize } from "./data-fault.js";
import type { DataSet } from "./data-set.js";
import { countIds } from "./derived-labels.js";
import { listImages, pairWithLabels } from "./image-pairs.js";
import { type LabelMap, readLabelMap } from "./label-map.js";
import { labelTable } from "./label-values.js";
import { createSplit, type LabelledSplit } from "./split.js";

/** Name, label id, whether it has instances, colour; the train id is the place in the list. */
const TABLE: readonly (readonly [name: string, id: number, isThing: boolean, color: [number, number, number]])[] = [
  ["road", 7, false, [128, 64, 128]],
  ["sidewalk", 8, false, [244, 35, 232]],
  ["building", 11, false, [70, 70, 70]],
  ["wall", 12, false, [102, 102, 156]],
  ["fence", 13, false, [190, 153, 153]],
  ["pole", 17, false, [153, 153, 153]],
  ["traffic light", 19, false, [250, 170, 30]],
  ["traffic sign", 20, false, [220, 220, 0]],
  ["vegetation", 21, false, [107, 142, 35]],
  ["terrain", 22, false, [152, 251, 152]],
  ["sky", 23, false, [70, 130, 180]],
  ["person", 24, true, [220, 20, 60]],
  ["rider", 25, true, [255, 0, 0]],
  ["car", 26, true, [0, 0, 142]],
  ["truck", 27, true, [0, 0, 70]],
  ["bus", 28, true, [0, 60, 100]],
  ["train", 31, true, [0, 80, 100]],
  ["motorcycle", 32, true, [0, 0, 230]],
  ["bicycle", 33, true, [119, 11, 32]],
];

export const CITYSCAPES_CLASSES = classList(TABLE.map(([name, id, isThing, color]) => ({ name, id, isThing, color })));
const THINGS = thingsOf(CITYSCAPES_CLASSES);
const TRAIN_IDS = indexById(CITYSCAPES_CLASSES);
const THING_INDICES = indexById(THINGS);

/** Label ids go up to 33; those without a train id are ignored. */
const LAST_ID = 33;
const toLabels = labelTable(
  Array.from({ length: LAST_ID + 1 }, (_, id) => [id, TRAIN_IDS.get(id) ?? IGNORED] as const),
  () => "gtFine's labelIds hold 0 to 33.",
);

/** Values from here on are label id * 1000 + number of the object; below they are label ids, of stuff or of groups. */
const FIRST_OBJECT = 1000;
const labelIdOf = (value: number) => (value < FIRST_OBJECT ? value : Math.floor(value / FIRST_OBJECT));

/**
 * Segments of the 19 classes by rising value; a thing without a number is a group, which is a crowd. All else is void.
 */
function panopticOf({ ids: values, width, height }: LabelMap): PanopticMap {
  const segments = [...countIds(values)]
    .sort(([a], [b]) => a - b)
    .flatMap(([id, area]) => {
      const label = TRAIN_IDS.get(labelIdOf(id));
      if (label === undefined) return [];
      return [{ id, label, area, crowd: id < FIRST_OBJECT && CITYSCAPES_CLASSES[label].isThing }];
    });
  const kept = new Uint8Array(0x10000);
  for (const { id } of segments) kept[id] = 1;
  const ids = new Uint32Array(values.length);
  for (let i = 0; i < ids.length; i++) ids[i] = kept[values[i]] * values[i];
  return { width, height, ids, segments };
}

/** @param labelOf label by label id */
function instancesOf({ ids, width, height }: LabelMap, labelOf: ReadonlyMap<number, number>): InstanceSet {
  const instances = [...encodeSegments(ids, width, height)]
    .sort(([a], [b]) => a - b)
    .flatMap(([id, shape]): Instance[] => {
      const label = labelOf.get(labelIdOf(id));
      if (label === undefined || !THING_INDICES.has(labelIdOf(id))) return [];
      return [{ id, label, area: maskArea(shape), crowd: id < FIRST_OBJECT, shape }];
    });
  return { width, height, instances };
}

/** Pixels whose label has no train id: `ignoreInEval` in the official scripts. */
function ignoredOf({ ids, width, height }: LabelMap): RunLengths {
  return encodeMask(
    Uint8Array.from(ids, (value) => Number(!TRAIN_IDS.has(labelIdOf(value)))),
    width,
    height,
  );
}

const IMAGE_SUFFIX = "_leftImg8bit";

/** `aachen/aachen_000000_000019_leftImg8bit.png` -> `aachen_000000_000019`. */
const imageIdOf = (path: string) =>
  path
    .replace(/^.*\//, "")
    .replace(/\.[^.]+$/, "")
    .replace(IMAGE_SUFFIX, "");

async function openSplit(root: string, split: string, task: Task): Promise<LabelledSplit> {
  const images = await listImages(join(root, "leftImg8bit", split));
  const pairs = (kind: string) =>
    pairWithLabels(images, join(root, "gtFine", split), { imageSuffix: IMAGE_SUFFIX, labelSuffix: `_gtFine_${kind}` });
  const labelIds = task === "instance" ? undefined : await pairs("labelIds");
  const instanceIds = task === "semantic" ? undefined : await pairs("instanceIds");
  const [main, second] = [instanceIds ?? labelIds!, instanceIds && labelIds];
  const paths = [...main.labelOf.keys()].filter((path) => second?.labelOf.has(path) ?? true);
  const objectsFile = (index: number) =>
    instanceIds?.labelOf.get(paths[index]) ?? labelIds!.labelOf.get(paths[index])!.replace("_labelIds", "_instanceIds");
  const readObjects = (index: number, wanted?: WantedSize) => readLabelMap(objectsFile(index), wanted);
  const objects = async (index: number, wanted?: WantedSize) =>
    instancesOf(await readObjects(index, wanted), task === "instance" ? THING_INDICES : TRAIN_IDS);
  const opened = createSplit({
    task,
    classes: task === "instance" ? THINGS : CITYSCAPES_CLASSES,
    images: paths.map((path) => ({ file: join(images.folder, path), id: imageIdOf(path) })),
    faults: [...images.faults, ...main.faults, ...(second?.faults ?? [])],
    semantic:
      labelIds && (async (index, wanted) => toLabels(await readLabelMap(labelIds.labelOf.get(paths[index])!, wanted))),
    instances: instanceIds && objects,
    panoptic: task === "panoptic" ? async (...which) => panopticOf(await readObjects(...which)) : undefined,
  });
  if (paths.length === 0 || !(await exists(objectsFile(0)))) return opened;
  return { ...opened, cityscapes: { objects, ignored: async (index) => ignoredOf(await readObjects(index)) } };
}

/** Whether a folder has Cityscapes' layout. */
export async function isCityscapes(root: string): Promise<boolean> {
  return (await exists(join(root, "leftImg8bit"))) && (await exists(join(root, "gtFine")));
}

export async function openCityscapes(root: string): Promise<DataSet> {
  const splits: string[] = [];
  for (const split of ["train", "val", "test"]) {
    const there = await Promise.all(["leftImg8bit", "gtFine"].map((kind) => exists(join(root, kind, split))));
    if (there[0] && there[1]) splits.push(split);
  }
  return {
    name: "Cityscapes",
    format: "Cityscapes",
    where: root,
    splits,
    tasks: () => ["panoptic", "instance", "semantic"],
    open: (split, task) => openSplit(root, split, task),
  };
}
