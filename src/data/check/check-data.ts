/** @file `data check`: everything in a data set that a training run would meet, before it starts. */

import { InputError } from "../../core/errors.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { plural, someOf } from "../../core/text.js";
import { type SegmentationClass, TASKS, type Task } from "../../masks/segmentation.js";
import { FAULT_KINDS } from "../datasets/data-fault.js";
import { type DataSet, USUAL_SPLITS } from "../datasets/data-set.js";
import { openDataSet, openSplitOf } from "../datasets/open-data.js";
import type { LabelledSplit } from "../datasets/split.js";
import { openTrainingSplits, requireSameClasses } from "../datasets/training-splits.js";
import { examineSplit, type Fault, type SplitFindings } from "./examine-split.js";
import { type Fingerprint, findLeaks, isTraining, type Leak } from "./leaks.js";
import { absentClasses, leakWarnings, namesOf, notesOf, warningsOf } from "./remarks.js";

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

/** What `checkData` found. */
export interface DataReport {
  readonly data: string;
  readonly name: string;
  readonly format: string;
  readonly tasks: readonly TaskReport[];
  readonly closed: readonly ClosedSplit[];
  /** The tasks for which fine-tuning takes the data. */
  readonly trainable: readonly Task[];
  /** Ordered by kind. */
  readonly faults: readonly Fault[];
  readonly leaks: readonly Leak[];
  /** Harms no run but may not be meant. */
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/**
 * The tasks to look at in a split: panoptic covers the others; else all that there are labels for. A split without
 * labels for the task that is asked for is passed over, as training does, unless it is the one to train on.
 */
function tasksToCheck(
  { splits, tasks }: DataSet,
  split: string,
  { task, splits: wanted }: CheckOptions,
): readonly Task[] {
  if (!splits.includes(split)) return [task ?? "panoptic"]; // opening says what is wrong with the name
  const there = tasks(split);
  if (task) return wanted || split === USUAL_SPLITS.train || there.includes(task) ? [task] : [];
  return there.includes("panoptic") ? ["panoptic"] : there;
}

/** Images that lie in the folders and are in no split. */
function unusedImages(opened: readonly LabelledSplit[]): string[] {
  const used = new Set(opened.flatMap((source) => Array.from({ length: source.length }, (_, i) => source.name(i))));
  const named = new Set(opened.flatMap(({ faults }) => faults.map(({ problem }) => problem.where)));
  const beside = new Set(opened.flatMap(({ unused }) => unused));
  const unused = [...beside].filter((file) => !used.has(file) && !named.has(file));
  return unused.length > 0 ? [`${plural(unused.length, "image")} in no label file: ${namesOf(unused)}`] : [];
}

/** Splits of a data set, each opened once for a task; the first opened for a task says which its classes are. */
class Opener {
  private readonly sources = new Map<string, Promise<LabelledSplit>>();
  private readonly classes = new Map<Task, readonly SegmentationClass[]>();

  constructor(private readonly dataSet: DataSet) {}

  readonly open = (split: string, task: Task): Promise<LabelledSplit> => {
    const key = JSON.stringify([split, task]);
    const opening = this.sources.get(key) ?? this.openNew(split, task);
    this.sources.set(key, opening);
    return opening;
  };

  /** Those that could be opened. */
  readonly opened = async (): Promise<LabelledSplit[]> => {
    const outcomes = await Promise.allSettled(this.sources.values());
    return outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
  };

  private async openNew(split: string, task: Task): Promise<LabelledSplit> {
    const source = await openSplitOf(this.dataSet, split, task);
    const known = this.classes.get(task) ?? source.classes;
    this.classes.set(task, known);
    requireSameClasses(this.dataSet, known, source.classes, split);
    return source;
  }
}

/** What is said of the splits of a task. */
interface TaskFindings {
  readonly report?: TaskReport;
  readonly closed: readonly ClosedSplit[];
  /** Whether fine-tuning takes the data. */
  readonly trainable: boolean;
  readonly notes: readonly string[];
}

/**
 * Opens the data set's splits for their tasks and looks at every file.
 * @throws InputError when the data set cannot be found or described, or a split or task does not exist
 */
export async function checkData(data: string, options: CheckOptions = {}): Promise<DataReport> {
  const { root, splits: wanted, reporter = SILENT } = options;
  const dataSet = await openDataSet(data, { root });
  const names = wanted ?? dataSet.splits;
  const { open, opened } = new Opener(dataSet);
  const fingerprints = new Map<string, readonly Fingerprint[]>();
  const decoded = new Map<string, Fingerprint>();

  async function examine(split: string, source: LabelledSplit): Promise<SplitFindings> {
    const shown = reporter.begin(`Looking at ${split} (${source.task})`, source.length);
    const onProgress = (done: number) => shown.update(done);
    const findings = await examineSplit(split, source, { decoded, onProgress }).finally(() => shown.end());
    fingerprints.set(split, findings.fingerprints);
    return findings;
  }

  /** What fine-tuning would say, of the splits that are looked at. */
  async function judge(split: string, task: Task): Promise<readonly string[]> {
    const valSplit = !wanted || names.includes(USUAL_SPLITS.val) ? USUAL_SPLITS.val : null;
    return (await openTrainingSplits(dataSet, { task, trainSplit: split, valSplit, open })).notes;
  }

  async function examineTask(task: Task): Promise<TaskFindings> {
    const found: SplitFindings[] = [];
    const closed: ClosedSplit[] = [];
    const notes: string[] = [];
    let trainable = false;
    const attempt = async (split: string, work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        if (!(error instanceof InputError) || !dataSet.splits.includes(split)) throw error;
        if (!closed.some(({ message }) => message === error.message))
          closed.push({ split, task, message: error.message });
      }
    };
    const splits = names.filter((split) => tasksToCheck(dataSet, split, options).includes(task));
    for (const split of splits) {
      await attempt(split, async () => {
        found.push(await examine(split, await open(split, task)));
      });
    }
    for (const split of splits.filter(isTraining)) {
      await attempt(split, async () => {
        notes.push(...(await judge(split, task)));
        trainable = true;
      });
    }
    const [first] = found;
    const report = first && { task, classes: (await open(first.name, task)).classes, splits: found };
    return { report, closed, trainable, notes };
  }

  const findings = new Map<Task, TaskFindings>();
  for (const task of TASKS) findings.set(task, await examineTask(task));
  return reportOf({ data, dataSet, findings, fingerprints, unused: wanted ? [] : unusedImages(await opened()) });
}

function noTrainingSplit({ splits }: DataSet): string {
  return (
    `no split is called "${USUAL_SPLITS.train}": fine-tuning needs --set data.trainSplit=NAME, one of ` +
    `${someOf(splits)}`
  );
}

interface Looked {
  readonly data: string;
  readonly dataSet: DataSet;
  readonly findings: ReadonlyMap<Task, TaskFindings>;
  readonly fingerprints: ReadonlyMap<string, readonly Fingerprint[]>;
  readonly unused: readonly string[];
}

function reportOf({ data, dataSet, findings, fingerprints, unused }: Looked): DataReport {
  const all = [...findings.values()];
  const tasks = all.flatMap(({ report }) => report ?? []);
  const leaks = findLeaks(fingerprints);
  const order = (kind: Fault["kind"]) => FAULT_KINDS.indexOf(kind);
  const warnings = [...tasks.flatMap(({ splits }) => splits.flatMap(warningsOf)), ...leakWarnings(leaks)];
  return {
    data,
    name: dataSet.name,
    format: dataSet.format,
    tasks,
    closed: all.flatMap(({ closed }) => closed),
    trainable: TASKS.filter((task) => findings.get(task)?.trainable),
    faults: tasks
      .flatMap(({ splits }) => splits.flatMap(({ faults }) => faults))
      .sort((a, b) => order(a.kind) - order(b.kind)),
    leaks,
    warnings: [...new Set(warnings)],
    notes: [
      ...tasks.flatMap((report) => [
        ...report.splits.flatMap(notesOf),
        ...report.splits.flatMap((split) => absentClasses(split, report.classes)),
      ]),
      ...new Set(all.flatMap(({ notes }) => notes)),
      ...(dataSet.splits.includes(USUAL_SPLITS.train) ? [] : [noTrainingSplit(dataSet)]),
      ...unused,
    ],
  };
}
