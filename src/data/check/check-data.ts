/** @file `data check`: everything in a data set that a training run would meet, before it starts. */

import { InputError } from "../../core/errors.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { plural } from "../../core/text.js";
import { type SegmentationClass, TASKS, type Task } from "../../masks/segmentation.js";
import { FAULT_KINDS } from "../datasets/data-fault.js";
import type { DataSet } from "../datasets/data-set.js";
import { openDataSet, openSplitOf } from "../datasets/open-data.js";
import type { LabelledSplit } from "../datasets/split.js";
import { nothingToLearn } from "../datasets/subset.js";
import { examineSplit, type Fault, type SplitFindings } from "./examine-split.js";
import { type Fingerprint, findLeaks, isTraining, type Leak } from "./leaks.js";
import { absentClasses, leakWarnings, namesOf, notesOf } from "./remarks.js";

export interface CheckOptions {
  /** The data's folder, in place of the one that the YAML file names. */
  root?: string;
  /** Default: panoptic where there are such labels, else all tasks that have some. */
  task?: Task;
  /** Default: all. */
  splits?: readonly string[];
  reporter?: Reporter;
}

/** What was found for one task. */
export interface TaskReport {
  readonly task: Task;
  readonly classes: readonly SegmentationClass[];
  readonly splits: readonly SplitFindings[];
}

/** A split that could not be opened, or from which nothing can be learned. */
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

/** The tasks to look at in a split: panoptic covers the others; else all that there are labels for. */
function tasksToCheck({ splits, tasks }: DataSet, split: string, asked: Task | undefined): readonly Task[] {
  if (asked || !splits.includes(split)) return [asked ?? "panoptic"]; // opening says what is wrong with the name
  return tasks(split).includes("panoptic") ? ["panoptic"] : tasks(split);
}

/** Whether there is anything to predict: the counterpart of `trainableImages` for labels that were all read. */
function hasTargets({ task, tally }: SplitFindings): boolean {
  return tally.counts.some(({ pixels, objects }) => (task === "semantic" ? pixels : objects) > 0);
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
  { root, task: asked, splits: wanted, reporter = SILENT }: CheckOptions = {},
): Promise<DataReport> {
  const dataSet = await openDataSet(data, { root });
  const names = wanted ?? dataSet.splits;
  const fingerprints = new Map<string, readonly Fingerprint[]>();
  const decoded = new Map<string, Fingerprint>();
  const closed: ClosedSplit[] = [];
  const opened: LabelledSplit[] = [];
  const tasks: TaskReport[] = [];
  for (const task of TASKS) {
    const found: SplitFindings[] = [];
    let classes: readonly SegmentationClass[] = [];
    for (const split of names) {
      if (!tasksToCheck(dataSet, split, asked).includes(task)) continue;
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
      const shown = reporter.begin(`Looking at ${split} (${task})`, source.length);
      const onProgress = (done: number) => shown.update(done);
      const findings = await examineSplit(split, source, { decoded, onProgress }).finally(() => shown.end());
      if (isTraining(split) && findings.tally.labelled > 0 && !hasTargets(findings)) {
        closed.push({ split, task, message: nothingToLearn(task, findings.tally.labelled).message });
      }
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
    warnings: [...tasks.flatMap(({ splits }) => splits.flatMap(({ warnings }) => warnings)), ...leakWarnings(leaks)],
    notes: [
      ...tasks.flatMap((report) => [
        ...report.splits.flatMap(notesOf),
        ...report.splits.flatMap((split) => absentClasses(split, report.classes)),
      ]),
      ...(wanted ? [] : unusedImages(opened)),
    ],
  };
}
