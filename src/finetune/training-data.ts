/** @file The labelled images of a fine-tuning run: the task that they are for, and which of them it sees. */

import { InputError } from "../core/errors.js";
import type { Reporter } from "../core/reporter.js";
import type { DataSet } from "../data/datasets/data-set.js";
import { suspectOneClass } from "../data/datasets/one-class.js";
import { openDataSet } from "../data/datasets/open-data.js";
import type { LabelledSplit } from "../data/datasets/split.js";
import { parseLabelShare } from "../data/datasets/subset.js";
import { openTrainingSplits } from "../data/datasets/training-splits.js";
import { warnOfOddRanges } from "../data/files/sample-ranges.js";
import type { Task } from "../masks/segmentation.js";
import { fingerprint } from "../run/resume-point.js";
import type { FinetuneSettings } from "./settings.js";

export interface TrainingData {
  readonly task: Task;
  /** Images to train on. */
  readonly train: LabelledSplit;
  /** Undefined when the data has no such split. */
  readonly val?: LabelledSplit;
}

/** The one that says most about an image first. */
const WIDEST: readonly Task[] = ["panoptic", "instance", "semantic"];

/** The widest task that all of these splits have labels for, or else the first of them. */
export function widestTask(dataSet: Pick<DataSet, "tasks">, splits: readonly string[]): Task | undefined {
  const [first = [], ...others] = splits.map((split) => dataSet.tasks(split));
  const tasks = WIDEST.filter((task) => first.includes(task));
  return tasks.find((task) => others.every((held) => held.includes(task))) ?? tasks[0];
}

type DataSettings = FinetuneSettings["data"];

/** Those of the splits of the settings that are there. */
const splitsThere = (dataSet: DataSet, { trainSplit, valSplit }: DataSettings) =>
  [trainSplit, valSplit].filter((split) => split !== null && dataSet.splits.includes(split)) as string[];

/** The task of the settings, or the widest that the data has labels for. */
export const taskOf = (dataSet: DataSet, data: DataSettings): Task =>
  data.task ?? widestTask(dataSet, splitsThere(dataSet, data)) ?? "semantic"; // opening it says what there is instead

function decideTask(dataSet: DataSet, data: DataSettings, reporter: Reporter): Task {
  const task = taskOf(dataSet, data);
  if (data.task !== null) return task;
  const splits = splitsThere(dataSet, data);
  const held = splits.length > 0 ? dataSet.tasks(splits[0]) : [];
  const others = held.length > 1 ? ` (${held.join(", ")}); --task chooses another` : "";
  reporter.say(`Task ${task}, the widest that the data has labels for${others}`);
  return task;
}

/**
 * Opens the data of the settings, tells what it is, and warns of what looks wrong with it.
 * @throws InputError when there is none, or none to train on
 */
export async function openTrainingData({ data, run }: FinetuneSettings, reporter: Reporter): Promise<TrainingData> {
  const { path, root, trainSplit, valSplit, labels, labelsSeed } = data;
  if (path === null) {
    throw new InputError({ where: "finetune", expected: "a data set", found: "none", fix: "Give one with --data." });
  }
  const dataSet = await openDataSet(path, root === null ? {} : { root });
  const task = decideTask(dataSet, data, reporter);
  const share = { share: parseLabelShare(labels, "data.labels"), seed: labelsSeed };
  const splits = await openTrainingSplits(dataSet, { task, trainSplit, valSplit, labels: share, reporter });
  const { train, labelled, val, notes } = splits;
  reporter.say(
    `Training on ${train.length} of the ${labelled} labelled images of ${dataSet.name} ${trainSplit}, ${task}`,
  );
  await warnOfOddRanges(train, reporter);
  const suspicion = await suspectOneClass(train);
  if (suspicion) reporter.warn(suspicion);
  if (run.evaluateEvery > 0) for (const note of notes) reporter.say(note);
  return { task, train, val };
}

/** A resumed run must see the same images and classes. */
export const identityOf = (train: LabelledSplit) =>
  fingerprint(
    train,
    train.classes.map(({ name }) => name),
  );
