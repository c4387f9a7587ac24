/**
 * @file ADE20K as it is distributed (ADEChallengeData2016): semantic and instance maps; panoptic ones are put together
 * here.
 */

import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import { exists } from "../../io/atomic-file.js";
import { encodeSegments, maskArea } from "../../masks/run-lengths.js";
import {
  IGNORED,
  type InstanceSet,
  type PanopticMap,
  type Segment,
  type SegmentationClass,
  type SemanticMap,
  type Task,
} from "../../masks/segmentation.js";
import { ADE20K_CLASSES, THING_IDS } from "./ade20k-classes.js";
import { thingsOf } from "./class-list.js";
import { DataFault, type WantedSize } from "./data-fault.js";
import type { DataSet } from "./data-set.js";
import { countIds } from "./derived-labels.js";
import { listImages, pairWithLabels } from "./image-pairs.js";
import { readLabelMap, readTwoChannels } from "./label-map.js";
import { labelTable } from "./label-values.js";
import { createSplit, type LabelledSplit } from "./split.js";

const FOLDERS = { train: "training", val: "validation" } as const;
type Split = keyof typeof FOLDERS;

/** 0 is unlabelled, 1 to 150 are the classes. */
const toLabels = labelTable(
  [[0, IGNORED] as const, ...ADE20K_CLASSES.map((_, label) => [label + 1, label] as const)],
  () => "ADE20K's annotations hold 0 (unlabelled) to 150.",
);

interface Objects extends Size {
  /** Number of the object of each pixel, 0 for none. */
  readonly numbers: Uint8Array;
  /** Category 1 to 100 by number, by rising number. */
  readonly categories: ReadonlyMap<number, number>;
}

/** Red is the category, green the number of the object; all pixels of a number have one category. */
async function readObjects(file: string, wanted: WantedSize): Promise<Objects> {
  const { red, green } = await readTwoChannels(file, wanted);
  const found = new Uint8Array(256);
  const numbers = Uint8Array.from(green.ids);
  const bad = (number: number, expected: string, was: string) =>
    new DataFault("ids outside the classes", { where: `${file} object ${number}`, expected, found: was });
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i];
    const category = red.ids[i];
    if (number === 0 || (category !== 0 && found[number] === category)) continue;
    if (found[number] !== 0) throw bad(number, "one category", `${found[number]} and ${category}`);
    if (category < 1 || category > THING_IDS.length) throw bad(number, "a category from 1 to 100", String(category));
    found[number] = category;
  }
  const categories = [...found.entries()].filter(([, category]) => category > 0);
  return { width: green.width, height: green.height, numbers, categories: new Map(categories) };
}

/** @param labelOf label by category 1 to 100 */
function instancesOf(
  { width, height, numbers, categories }: Objects,
  labelOf: (category: number) => number,
): InstanceSet {
  const masks = encodeSegments(numbers, width, height);
  const instances = [...categories].map(([id, category]) => {
    const shape = masks.get(id)!;
    return { id, label: labelOf(category), area: maskArea(shape), crowd: false, shape };
  });
  return { width, height, instances };
}

/** Ids of objects in panoptic maps begin here; those of stuff are label + 1. */
const FIRST_OBJECT = 1000;

/**
 * Stuff of the semantic map with the objects pasted over it; a thing's pixels without an object stay void. The area of
 * stuff is what it was before the objects, and stuff that they hide stays listed (Mask2Former's
 * prepare_ade20k_pan_seg.py).
 */
function combine({ width, height, labels }: SemanticMap, objects: Objects): PanopticMap {
  const ids = new Uint32Array(labels.length);
  const isStuff = ADE20K_CLASSES.map(({ isThing }) => !isThing);
  const stuff = [...countIds(labels)]
    .filter(([label]) => isStuff[label])
    .sort(([a], [b]) => a - b)
    .map(([label, area]): Segment => ({ id: label + 1, label, area, crowd: false }));
  const areas = new Uint32Array(256);
  for (let i = 0; i < ids.length; i++) {
    const number = objects.numbers[i];
    if (number > 0) {
      ids[i] = FIRST_OBJECT + number;
      areas[number]++;
    } else if (isStuff[labels[i]]) ids[i] = labels[i] + 1;
  }
  const things = [...objects.categories].map(
    ([number, category]): Segment => ({
      id: FIRST_OBJECT + number,
      label: THING_IDS[category - 1],
      area: areas[number],
      crowd: false,
    }),
  );
  return { width, height, ids, segments: [...stuff, ...things] };
}

const stemOf = (path: string) => path.replace(/\.[^.]+$/, "");

async function openSplit(root: string, split: Split, task: Task): Promise<LabelledSplit> {
  const images = await listImages(join(root, "images", FOLDERS[split]));
  const pairs = (kind: string) => pairWithLabels(images, join(root, kind, FOLDERS[split]), {});
  const annotations = task === "instance" ? undefined : await pairs("annotations");
  const objects = task === "semantic" ? undefined : await pairs("annotations_instance");
  const [main, second] = [annotations ?? objects!, annotations && objects];
  const paths = [...main.labelOf.keys()].filter((path) => second?.labelOf.has(path) ?? true);
  const classes: readonly SegmentationClass[] = task === "instance" ? thingsOf(ADE20K_CLASSES) : ADE20K_CLASSES;

  const semantic =
    annotations &&
    (async (index: number, wanted: WantedSize) =>
      toLabels(await readLabelMap(annotations.labelOf.get(paths[index])!, wanted)));
  const objectsOf =
    objects && ((index: number, wanted: WantedSize) => readObjects(objects.labelOf.get(paths[index])!, wanted));
  const labelOf = (category: number) => (task === "instance" ? category - 1 : THING_IDS[category - 1]);
  return createSplit({
    task,
    classes,
    images: paths.map((path) => ({ file: join(images.folder, path), id: stemOf(path) })),
    faults: [...images.faults, ...main.faults, ...(second?.faults ?? [])],
    semantic,
    instances: objectsOf && (async (...which) => instancesOf(await objectsOf(...which), labelOf)),
    panoptic:
      semantic && objectsOf && (async (...which) => combine(await semantic(...which), await objectsOf(...which))),
  });
}

/** Whether a folder has ADE20K's layout. */
export async function isAde20k(root: string): Promise<boolean> {
  const needed = ["images/training", "annotations/training", "images/validation", "annotations/validation"];
  const found = await Promise.all(needed.map((path) => exists(join(root, path))));
  return (found[0] && found[1]) || (found[2] && found[3]);
}

/** ADE20K's `ADEChallengeData2016`; panoptic and instance labels need `annotations_instance` beside `annotations`. */
export async function openAde20k(root: string): Promise<DataSet> {
  const splits: Split[] = [];
  const withObjects = new Set<string>();
  for (const split of Object.keys(FOLDERS) as Split[]) {
    if (await exists(join(root, "images", FOLDERS[split]))) splits.push(split);
    if (await exists(join(root, "annotations_instance", FOLDERS[split]))) withObjects.add(split);
  }
  return {
    name: "ADE20K",
    format: "ADE20K",
    where: root,
    splits,
    tasks: (split) => (withObjects.has(split) ? ["panoptic", "instance", "semantic"] : ["semantic"]),
    async open(split, task) {
      if (task !== "semantic" && !withObjects.has(split)) {
        throw new InputError({
          where: join(root, "annotations_instance", FOLDERS[split as Split]),
          expected: `instance maps for the task ${task}`,
          found: "nothing there",
          fix: "Unpack annotations_instance.tar of the scene parsing challenge beside annotations.",
        });
      }
      return openSplit(root, split as Split, task);
    },
  };
}
