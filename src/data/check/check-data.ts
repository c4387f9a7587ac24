/** @file `data check`: everything in a data set that a training run would meet, before it starts. */

import { basename } from "node:path";
import { InputError } from "../../core/errors.js";
import type { SegmentationClass, Task } from "../../masks/segmentation.js";
import { FAULT_KINDS, someOf } from "../datasets/data-fault.js";
import type { DataSet } from "../datasets/data-set.js";
import { openDataSet, openSplitOf } from "../datasets/open-data.js";
import type { LabelledSplit } from "../datasets/split.js";
import { examineSplit, type Fault, type SplitFindings } from "./examine-split.js";
import { type Fingerprint, findLeaks, findRepeats, type Leak } from "./leaks.js";

export interface CheckOptions {
  /** The data's folder, in place of the one that the YAML file names. */
  root?: string;
  /** Default: panoptic where there are such labels, else all tasks that have some. */
  task?: Task;
  /** Default: all. */
  splits?: readonly string[];
  onProgress?: (split: string, task: Task, done: number, total: number) => void;
}

/** What was found for one task. */
export interface TaskReport {
  readonly task: Task;
  readonly classes: readonly SegmentationClass[];
  readonly splits: readonly SplitFindings[];
}

/** A split that could not be opened at all. */
export interface ClosedSplit {
  readonly split: string;
  readonly task: Task;
  readonly message: string;
}

export interface DataReport {
  readonly data: string;
  readonly name: string;
  readonly format: string;
  readonly tasks: readonly TaskReport[];
  readonly closed: readonly ClosedSplit[];
  /** Ordered by kind. */
  readonly faults: readonly Fault[];
  readonly leaks: readonly Leak[];
  /** Harms no run but may not be meant. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** The tasks to look at: the one asked for, or as few as cover all labels. */
function tasksToCheck({ splits, tasks }: DataSet, asked: Task | undefined): Task[] {
  if (asked) return [asked];
  const there = new Set(splits.flatMap((split) => tasks(split)));
  return there.has("panoptic") ? ["panoptic"] : [...there];
}

/** `1 image`, `2 images`, `2 classes`. */
export const plural = (count: number, noun: string) =>
  `${count} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;
const namesOf = (files: readonly string[], most = 3) =>
  someOf(
    files.map((file) => basename(file)),
    most,
  );

function neverSeen({ classes, splits }: TaskReport): string[] {
  return splits.flatMap(({ name, tally }) => {
    const missing = classes.filter((_, label) => tally.counts[label].images === 0);
    return missing.length > 0
      ? [
          `${name}: ${plural(missing.length, "class")} never ${missing.length === 1 ? "occurs" : "occur"}: ${someOf(
            missing.map((c) => c.name.trim()),
            8,
          )}`,
        ]
      : [];
  });
}

function notesOf({ name, tally, notes, fingerprints }: SplitFindings): string[] {
  const { empty, crowded, onePixel, noPixel, crowds } = tally;
  const repeats = findRepeats(fingerprints);
  return [
    ...notes,
    ...(empty.length > 0 ? [`${name}: ${plural(empty.length, "image")} without annotations: ${namesOf(empty)}`] : []),
    ...(crowded.length > 0
      ? [
          `${name}: ${plural(crowded.length, "image")} with more than 100 objects, the queries of the presets: ${namesOf(crowded)}`,
        ]
      : []),
    ...(onePixel > 0 ? [`${name}: ${plural(onePixel, "mask")} of one pixel`] : []),
    ...(noPixel.length > 0
      ? [`${name}: ${plural(noPixel.length, "mask")} without a pixel: ${namesOf([...new Set(noPixel)])}`]
      : []),
    ...(crowds > 0 ? [`${name}: ${plural(crowds, "crowd")}, which training leaves out`] : []),
    ...(repeats.length > 0
      ? [
          `${name}: ${plural(repeats.length, "image")} in several copies: ${someOf(
            repeats.map((files) => files.map((file) => basename(file)).join(" = ")),
            2,
          )}`,
        ]
      : []),
  ];
}

function warningsOf(leaks: readonly Leak[]): string[] {
  const groups = new Map<string, Leak[]>();
  for (const leak of leaks) {
    const key = `${leak.splits.join(" and ")} ${leak.by}`;
    groups.set(key, [...(groups.get(key) ?? []), leak]);
  }
  return [...groups.values()].map((group) => {
    const [{ splits, by }] = group;
    const how = by === "content" ? "the same content" : "the same name";
    return `leak: ${plural(group.length, "image")} of ${splits[1]} with ${how} as in ${splits[0]}: ${namesOf(group.map(({ files }) => files[1]))}`;
  });
}

/** Images that lie in the folders and are in no split. */
function unusedImages(opened: readonly LabelledSplit[]): string[] {
  const used = new Set(opened.flatMap((source) => Array.from({ length: source.length }, (_, i) => source.name(i))));
  const named = new Set(opened.flatMap(({ faults }) => faults.map(({ problem }) => problem.where)));
  const beside = new Set(opened.flatMap(({ unused }) => unused));
  const unused = [...beside].filter((file) => !used.has(file) && !named.has(file));
  return unused.length > 0 ? [`${plural(unused.length, "image")} in no label file: ${namesOf(unused)}`] : [];
}

/**
 * Opens the data set's splits for their tasks and looks at every file.
 * @throws InputError when the data set cannot be found or described, or a split or task does not exist
 */
export async function checkData(
  data: string,
  { root, task: asked, splits: wanted, onProgress }: CheckOptions = {},
): Promise<DataReport> {
  const dataSet = await openDataSet(data, { root });
  const names = wanted ?? dataSet.splits;
  const fingerprints = new Map<string, readonly Fingerprint[]>();
  const decoded = new Map<string, Fingerprint>();
  const closed: ClosedSplit[] = [];
  const opened: LabelledSplit[] = [];
  const tasks: TaskReport[] = [];
  for (const task of tasksToCheck(dataSet, asked)) {
    const found: SplitFindings[] = [];
    let classes: readonly SegmentationClass[] = [];
    for (const split of names) {
      if (dataSet.splits.includes(split) && !asked && !dataSet.tasks(split).includes(task)) continue;
      let source: LabelledSplit;
      try {
        source = await openSplitOf(dataSet, split, task);
      } catch (error) {
        if (!(error instanceof InputError) || !dataSet.splits.includes(split)) throw error;
        closed.push({ split, task, message: error.message });
        continue;
      }
      opened.push(source);
      classes = source.classes;
      const progress = (done: number) => onProgress?.(split, task, done, source.length);
      const findings = await examineSplit(split, source, { decoded, onProgress: progress });
      fingerprints.set(split, findings.fingerprints);
      found.push(findings);
    }
    if (found.length > 0) tasks.push({ task, classes, splits: found });
  }
  const leaks = findLeaks(fingerprints);
  const order = (kind: Fault["kind"]) => FAULT_KINDS.indexOf(kind);
  return {
    data,
    name: dataSet.name,
    format: dataSet.format,
    tasks,
    closed,
    faults: tasks
      .flatMap(({ splits }) => splits.flatMap(({ faults }) => faults))
      .sort((a, b) => order(a.kind) - order(b.kind)),
    leaks,
    warnings: warningsOf(leaks),
    notes: [
      ...tasks.flatMap((report) => [...report.splits.flatMap(notesOf), ...neverSeen(report)]),
      ...(wanted ? [] : unusedImages(opened)),
    ],
  };
}
