/**
 * Mutated label files: whatever is in them, fine-tuning takes the data or refuses it with an `InputError`, `data check`
 * says the same, and no image of them ends a step or an evaluation. A hundred by default;
 * `FUZZ_RUNS=20000 npx vitest run test/data/fuzz-labels.test.ts` for more, FUZZ_SEED for others.
 */

import { expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { RandomStream } from "../../src/core/random.js";
import { checkData } from "../../src/data/check/check-data.js";
import { breakage, verdict } from "../../src/data/check/report-text.js";
import { USUAL_SPLITS } from "../../src/data/datasets/data-set.js";
import { openDataSet } from "../../src/data/datasets/open-data.js";
import { openTrainingSplits } from "../../src/data/datasets/training-splits.js";
import { createLabelledLoader } from "../../src/data/labelled-loader.js";
import type { LabelledSource } from "../../src/data/labelled-source.js";
import { largeScaleJitterView } from "../../src/data/labelled-view.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import type { Task } from "../../src/masks/segmentation.js";
import { type DataFolder, dataFolder } from "../support/data-folders.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const RUNS = Number(process.env.FUZZ_RUNS ?? 120);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

const MAP = [
  [70000, 70000, 300, 300],
  [70000, 70000, 300, 300],
  [70000, 0, 7, 7],
];
const CATEGORIES = [
  { id: 1, name: "person", isthing: 1, color: [220, 20, 60] },
  { id: 149, name: "road", isthing: 0 },
  { id: 3, name: "car", isthing: 1 },
];
const imagesOf = (...names: string[]) =>
  names.map((name, i) => ({ id: 139 + i, file_name: `${name}.png`, width: 4, height: 3 }));
const NAMES = { train: ["a", "b"], val: ["c"] };

/** COCO instances: polygons, both spellings of run lengths, a crowd. */
const instances = (split: "train" | "val"): unknown => ({
  images: imagesOf(...NAMES[split]),
  annotations: [
    { id: 1, image_id: 139, category_id: 3, iscrowd: 0, area: 4, segmentation: [[1, 0, 3, 0, 3, 2, 1, 2]] },
    { id: 2, image_id: 139, category_id: 1, iscrowd: 1, segmentation: { size: [3, 4], counts: [2, 2, 8] } },
    {
      id: 3,
      image_id: split === "train" ? 140 : 139,
      category_id: 3,
      iscrowd: 0,
      area: 2,
      segmentation: { size: [3, 4], counts: "228" },
    },
  ],
  categories: CATEGORIES.filter(({ isthing }) => isthing === 1),
});

const panoptic = (split: "train" | "val"): unknown => ({
  images: imagesOf(...NAMES[split]),
  annotations: NAMES[split].map((name, i) => ({
    image_id: 139 + i,
    file_name: `${name}.png`,
    segments_info: [
      { id: 70000, category_id: 149, area: 5, iscrowd: 0 },
      { id: 300, category_id: 3, area: 4, iscrowd: 0 },
      { id: 7, category_id: 1, area: 2, iscrowd: 1 },
    ],
  })),
  categories: CATEGORIES,
});

const description: unknown = {
  name: "mine",
  root: ".",
  ignore: [0],
  classes: CATEGORIES.map(({ id, name, isthing }) => ({ id, name, isthing: isthing === 1 })),
  id_map: { 1: 1, 3: "car", 149: 149, 9: null },
  values: "id",
  train: {
    images: "photos/train",
    match: "{a,b}*",
    panoptic: { json: "panoptic_train.json", masks: "maps/train" },
    instances: "instances_train.json",
  },
  val: {
    images: "photos/val",
    panoptic: { json: "panoptic_val.json", masks: "maps/val" },
    instances: "instances_val.json",
  },
};

async function healthyFolder(): Promise<DataFolder> {
  const folder = dataFolder(temporaryDirectory());
  for (const split of ["train", "val"] as const) {
    for (const [i, name] of NAMES[split].entries()) {
      await folder.photo(`photos/${split}/${name}.png`, 4, 3, { red: 40 * i });
      folder.colours(`maps/${split}/${name}.png`, MAP);
    }
    folder.json(`panoptic_${split}.json`, panoptic(split));
    folder.json(`instances_${split}.json`, instances(split));
  }
  folder.yaml("data.yaml", description);
  return folder;
}

/** What stands in for a value. */
const STRANGE: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1, 2, 3, 139, 140, 0.5, 1e9, -1e9, 1e12, 2 ** 53, 1e308, 255, 256],
  ...["", "0", "1", "139", "0139", "x", "a.png", "../c.png", "/a.png", "sub\\a.png", "A.png", "é", "\0", "[1]"],
  ...["*a*a*a*a*a*a*a*a*a*a*a*a*b", "**/**/**/*", "{", "9".repeat(30), "__proto__", "constructor"],
  ...[[], {}, [[]], [null], [0, 0], [[0, 0, 1e9, 1e9, -1e9, 5]], { size: [3, 4], counts: [12] }, { id: 1 }, ["139"]],
];

interface Place {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

/** Every place of a tree: its list or object, and the key there. */
function placesOf(tree: unknown): Place[] {
  if (typeof tree !== "object" || tree === null) return [];
  const holder = tree as Record<string, unknown>;
  return Object.keys(holder).flatMap((key) => [{ holder, key }, ...placesOf(holder[key])]);
}

function otherType(value: unknown): unknown {
  if (typeof value === "number") return String(value);
  return typeof value === "string" ? Number(value) || value.length : [value];
}

/** The tree with one to three places changed: other values and types, swapped, repeated or left out. */
function mutate(original: unknown, random: RandomStream): unknown {
  const tree = structuredClone(original);
  for (let count = 1 + random.integer(3); count > 0; count--) {
    const places = placesOf(tree);
    if (places.length === 0) break;
    const { holder, key } = places[random.integer(places.length)];
    const other = places[random.integer(places.length)];
    const kind = random.integer(6);
    const list = Array.isArray(holder) ? holder : undefined;
    if (kind <= 1) holder[key] = structuredClone(STRANGE[random.integer(STRANGE.length)]);
    else if (kind === 2) holder[key] = otherType(holder[key]);
    else if (kind === 3) holder[key] = structuredClone(other.holder[other.key]);
    else if (kind === 4) list?.splice(Number(key), 0, structuredClone(holder[key]));
    else if (list) list.splice(Number(key), 1);
    else delete holder[key];
  }
  return tree;
}

/** What the work was refused with; undefined when it was done. Any other error is a fault of the product. */
async function refusalOf(work: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}

/** Two steps' batches of the training split, and an evaluation of a model that sees nothing. */
async function use(train: LabelledSource, val: LabelledSource | undefined): Promise<void> {
  const view = largeScaleJitterView({ width: 8, height: 8, scale: [0.5, 2], flip: true });
  const loader = createLabelledLoader({ source: train, seed: 1, batch: 2, view });
  await refusalOf(async () => {
    for (const step of [1, 2]) (await loader.load(step)).release();
  });
  await loader.dispose();
  const blank = { labels: new Uint16Array(12), segments: [], ids: new Uint32Array(12) };
  const predict = async ({ width, height }: { width: number; height: number }) => ({
    semantic: { width, height, labels: blank.labels },
    panoptic: { width, height, ids: blank.ids, segments: blank.segments },
    instances: [],
  });
  if (val) await refusalOf(() => evaluate({ source: val, predict }));
}

/** What `data check` holds against fine-tuning: nothing when it calls the data ready. */
async function objectionsOf(folder: DataFolder, task: Task): Promise<string[]> {
  const report = await checkData(folder.root, { task });
  if (report.trainable.includes(task)) return [];
  expect(breakage(report) ?? verdict(report)).not.toMatch(/^Ready/);
  return [...report.closed.map(({ message }) => message), ...report.notes];
}

/** Why fine-tuning refuses the data; undefined when it takes it. `data check` has to say the same. */
async function tryOn(folder: DataFolder, task: Task): Promise<string | undefined> {
  const refusal = await refusalOf(async () => {
    const dataSet = await openDataSet(folder.root);
    const data = await openTrainingSplits(dataSet, {
      task,
      trainSplit: USUAL_SPLITS.train,
      valSplit: USUAL_SPLITS.val,
    });
    await use(data.train, data.val);
  });
  let objections: string[] = [];
  const noReport = await refusalOf(async () => {
    objections = await objectionsOf(folder, task);
  });
  if (noReport !== undefined) objections = [noReport];
  if (refusal === undefined) expect(objections).toEqual([]);
  else if (/expected the split train/.test(refusal)) expect(objections.join()).toContain('no split is called "train"');
  else expect(objections).toContain(refusal);
  return refusal;
}

/** A file, its content, and a task for which it is tried. */
const FILES = [
  ["instances_train.json", instances("train"), "instance"],
  ["instances_val.json", instances("val"), "instance"],
  ["instances_train.json", instances("train"), "panoptic"],
  ["instances_val.json", instances("val"), "panoptic"],
  ["panoptic_train.json", panoptic("train"), "panoptic"],
  ["panoptic_val.json", panoptic("val"), "panoptic"],
  ["panoptic_train.json", panoptic("train"), "semantic"],
  ["data.yaml", description, "panoptic"],
  ["data.yaml", description, "instance"],
] as const;

it.each(FILES)("%s, mutated (%#)", async (file, original, task) => {
  const folder = await healthyFolder();
  const write = (tree: unknown) => (file.endsWith(".yaml") ? folder.yaml(file, tree) : folder.json(file, tree));
  const random = new RandomStream({ seed: SEED, purpose: file });
  expect(await tryOn(folder, task)).toBeUndefined();
  let refused = 0;
  for (let run = 0; run < RUNS / FILES.length; run++) {
    const tree = mutate(original, random);
    write(tree);
    try {
      if ((await tryOn(folder, task)) !== undefined) refused++;
    } catch (cause) {
      throw new Error(`run ${run}: ${JSON.stringify(tree)}`, { cause });
    }
  }
  // A panoptic model trains without the instances.
  if (file !== "instances_train.json" || task !== "panoptic") expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(RUNS / FILES.length);
});
