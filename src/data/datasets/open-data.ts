/** @file Finds out what a folder or YAML file holds, and opens a split of it for a task. */

import { stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { InputError, suggestion } from "../../core/errors.js";
import { exists } from "../../io/atomic-file.js";
import { fileFault } from "../../io/file-fault.js";
import type { Task } from "../../masks/segmentation.js";
import { isAde20k, openAde20k } from "./ade20k.js";
import { isCityscapes, openCityscapes } from "./cityscapes.js";
import { isCoco, openCoco } from "./coco.js";
import type { DataSet } from "./data-set.js";
import { type Description, type Format, readDescription } from "./description.js";
import { openGeneric } from "./generic.js";
import { adviseDescription } from "./layout-advice.js";
import type { LabelledSplit } from "./split.js";

type Layout = Exclude<Format, "generic">;

const LAYOUTS: Record<Layout, { is: (root: string) => Promise<boolean>; open: (root: string) => Promise<DataSet> }> = {
  ade20k: { is: isAde20k, open: openAde20k },
  cityscapes: { is: isCityscapes, open: openCityscapes },
  coco: { is: isCoco, open: openCoco },
};

const DESCRIPTIONS = ["data.yaml", "data.yml"];
const INSIDE = "ADEChallengeData2016";

/** The data set with what its description says of the samples of its images. */
function withWhiteLevel(
  dataSet: DataSet,
  { whiteLevel: value, file }: Pick<Description, "whiteLevel" | "file">,
): DataSet {
  const white = { value, setting: `white_level in ${file}` };
  return { ...dataSet, open: async (...which) => ({ ...(await dataSet.open(...which)), white }) };
}

async function openDescribed(description: Description): Promise<DataSet> {
  return withWhiteLevel(await openAs(description), description);
}

async function openAs(description: Description): Promise<DataSet> {
  const { format, root, file, name } = description;
  if (format === "generic") return openGeneric(description);
  if (!(await LAYOUTS[format].is(root))) {
    const fix = `Check root and format in ${file}.`;
    throw new InputError({ where: root, expected: `the layout of ${format}`, found: "another one", fix });
  }
  const dataSet = await LAYOUTS[format].open(root);
  return { ...dataSet, name: name ?? dataSet.name };
}

async function unknownLayout(folder: string): Promise<InputError> {
  const advice = await adviseDescription(folder).catch(() => undefined);
  const expected = "a data.yaml, or the layout of ADE20K, Cityscapes or COCO";
  if (!advice) {
    const fix =
      "Describe it in a data.yaml; recipes/data-camvid.yaml and recipes/data-dsb2018.yaml of the package are examples.";
    return new InputError({ where: folder, expected, found: "neither", fix });
  }
  const fix = `Write ${join(folder, "data.yaml")}, with the names of the classes:\n\n${advice}\n`;
  return new InputError({ where: folder, expected, found: "folders of images and labels without one", fix });
}

/**
 * Opens a data set: a YAML file, a folder with `data.yaml`, or a folder in the layout of ADE20K, Cityscapes or COCO.
 * @param options.root the data's folder, in place of the one that the YAML file names
 * @throws InputError that says what is missing, or what YAML to write
 */
export async function openDataSet(data: string, { root }: { root?: string } = {}): Promise<DataSet> {
  const info = await stat(data).catch((error: unknown) => {
    throw fileFault(error, data, "a folder with a data set, or a YAML file that describes one");
  });
  if (!info.isDirectory()) {
    if ([".yaml", ".yml"].includes(extname(data).toLowerCase())) return openDescribed(readDescription(data, root));
    const found = `the file ${basename(data)}`;
    throw new InputError({ where: data, expected: "a folder, or a YAML file that describes a data set", found });
  }
  for (const name of DESCRIPTIONS) {
    if (await exists(join(data, name))) return openDescribed(readDescription(join(data, name), root));
  }
  const folder = root ?? data;
  const places = [folder, join(folder, INSIDE)];
  for (const place of places) {
    for (const { is, open } of Object.values(LAYOUTS))
      if (await is(place)) return withWhiteLevel(await open(place), { file: "a data.yaml with its format and root" });
  }
  throw await unknownLayout(folder);
}

export interface LabelledSourceOptions {
  task: Task;
  /** "train", "val" or what else the data set has. */
  split: string;
  /** The data's folder, in place of the one that the YAML file names. */
  root?: string;
}

/** A data set's split for a task. @throws InputError that names the splits or tasks there are */
export async function openSplitOf(dataSet: DataSet, split: string, task: Task): Promise<LabelledSplit> {
  const { where, splits } = dataSet;
  if (!splits.includes(split)) {
    const fix = splits.length > 0 ? suggestion(split, splits) : undefined;
    throw new InputError({ where, expected: `the split ${split}`, found: `${splits.join(", ") || "no split"}`, fix });
  }
  const opened = await dataSet.open(split, task);
  if (opened.length > 0) return opened;
  const [first] = opened.faults;
  const problem = first?.problem;
  const found = problem ? `none; ${problem.where}: ${problem.found} in place of ${problem.expected}` : "none";
  throw new InputError({ where: `${where} ${split}`, expected: "at least one image with labels", found });
}

/** Opens a split of labelled images. @throws InputError */
export async function openLabelledSource(
  data: string,
  { task, split, root }: LabelledSourceOptions,
): Promise<LabelledSplit> {
  return openSplitOf(await openDataSet(data, { root }), split, task);
}
