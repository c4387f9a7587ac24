/** @file The page of an evaluation: scores, classes, pictures beside their ground truth, and what could not be used. */

import { plural } from "../core/text.js";
import { skippedNotes } from "../data/skipped-notes.js";
import type { BadFile } from "../data/source.js";
import type { StepRecord } from "../viz/metric-curves.js";
import type { GalleryRow, Report, Section } from "../viz/report.js";
import { type Column, formatNumber, type Table } from "../viz/table.js";
import type { Evaluation } from "./evaluation.js";
import { metric, sortedMetrics } from "./metrics.js";
import { imageCounts, letterOf, modelWarnings } from "./summary.js";
import { trainingSection } from "./training-curves.js";

/** One evaluated model and what the page calls it. */
export interface EvaluatedRun {
  /** Folder of the run, or of the checkpoint. */
  readonly checkpoint: string;
  readonly step?: number;
  readonly evaluation: Evaluation;
  /** What its run logged, step by step, where that is known. */
  readonly log?: readonly StepRecord[];
}

export interface EvaluatedData {
  readonly path: string;
  readonly split: string;
  /** Images that the split holds; fewer may have been taken. */
  readonly images: number;
  /** Files that kept images out of the split when it was opened. */
  readonly faults?: readonly BadFile[];
}

export interface Gallery {
  readonly title: string;
  readonly description: string;
  readonly rows: readonly GalleryRow[];
}

export interface EvaluationPage {
  readonly data: EvaluatedData;
  /** One model, or two that are compared. */
  readonly runs: readonly EvaluatedRun[];
  readonly galleries: readonly Gallery[];
  /** Further names and values for the head of the page. */
  readonly facts: Report["facts"];
}

/** The content of the page. */
export function evaluationReport({ data, runs, galleries, facts }: EvaluationPage): Report {
  const [{ evaluation }] = runs;
  const { label } = metric(evaluation.deciding.metric);
  const { images, skipped } = evaluation;
  const counts = imageCounts(evaluation, data.split);
  const training = trainingSection(
    runs.map(({ log = [] }) => log),
    evaluation.deciding.metric,
  );
  const names = runs.map(({ checkpoint, step }, i): [string, string] => [
    runs.length > 1 ? `Model ${letterOf(i)}` : "Checkpoint",
    step === undefined ? checkpoint : `${checkpoint}, step ${step}`,
  ]);
  return {
    title:
      runs.length > 1
        ? `Two models compared: ${evaluation.task} segmentation`
        : `Evaluation: ${evaluation.task} segmentation`,
    summary:
      `${label} ${runs.map((run) => formatNumber(run.evaluation.deciding.value)).join(" and ")} on ${counts} ` +
      `(${data.path}, ${data.split}).`,
    warnings: [...warningsOf(data, evaluation), ...modelWarnings(runs.map((run) => run.evaluation))],
    facts: [
      ...names,
      ["Data", `${data.path}, ${data.split}`],
      ["Images", images.length + skipped.length === data.images ? counts : `${counts}, of the split's ${data.images}`],
      ["Classes", classCounts(evaluation)],
      ...facts,
    ],
    sections: [
      scoreSection(runs),
      classSection(runs),
      ...galleries.map(gallerySection),
      ...(training ? [training] : []),
    ],
    notes: skippedNotes([...(data.faults ?? []), ...evaluation.skipped]),
  };
}

function warningsOf({ faults = [] }: EvaluatedData, { skipped, images }: Evaluation): string[] {
  const all = skipped.length + images.length;
  const unread = `${skipped.length} of ${all} images could not be used; the notes name them.`;
  const unlisted = `${plural(faults.length, "file")} at fault: images are kept out of the split; the notes name them.`;
  return [...(skipped.length > 0 ? [unread] : []), ...(faults.length > 0 ? [unlisted] : [])];
}

function classCounts({ task, classes }: Evaluation): string {
  const things = classes.filter(({ isThing }) => isThing).length;
  return task === "panoptic"
    ? `${classes.length}: ${things} things, ${classes.length - things} stuff`
    : `${classes.length}`;
}

function gallerySection({ title, description, rows }: Gallery): Section {
  return { title, description, gallery: [...rows] };
}

const difference = (a: number | null | undefined, b: number | null | undefined) =>
  typeof a === "number" && typeof b === "number" ? b - a : null;

/** Heads of a score's columns: one, or A, B and B - A. */
function scoreColumns(name: string, runs: number, meaning: string, digits?: number): Column[] {
  if (runs === 1) return [{ name, meaning, digits }];
  return [
    { name: `${name} A`, meaning },
    { name: `${name} B`, meaning },
    { name: "B \u2212 A", difference: true },
  ];
}

function scoreCells(values: readonly (number | null | undefined)[]): (number | null)[] {
  const cells = values.map((value) => value ?? null);
  return cells.length === 1 ? cells : [...cells, difference(cells[0], cells[1])];
}

function scoreSection(runs: readonly EvaluatedRun[]): Section {
  const names = runs.length > 1 ? ["A", "B"] : ["Score"];
  const columns: Column[] = [
    { name: "Metric" },
    ...names.map((name) => ({ name })),
    ...(runs.length > 1 ? [{ name: "B \u2212 A", difference: true }] : []),
    { name: "What it is", text: true },
  ];
  const rows = sortedMetrics(Object.keys(runs[0].evaluation.scores)).map(({ name, label, meaning }) => ({
    cells: [label, ...scoreCells(runs.map(({ evaluation }) => evaluation.scores[name])), meaning],
    total: name === runs[0].evaluation.deciding.metric,
  }));
  return {
    title: "Scores",
    description: "In percent. A dash stands where no class has ground truth.",
    tables: [{ columns, rows, fixed: true }],
  };
}

/** Scores of classes that two models are compared by; the page of one model shows all but the minor ones. */
const COMPARED: ReadonlySet<string> = new Set(["pq", "sq", "rq", "ap", "ap50", "iou", "acc"]);

function classSection(runs: readonly EvaluatedRun[]): Section {
  const [{ evaluation }] = runs;
  const present = new Set(evaluation.classes.flatMap(({ scores }) => Object.keys(scores)));
  const metrics = sortedMetrics(present).filter(({ name, minor }) => (runs.length === 1 ? !minor : COMPARED.has(name)));
  const withKind = evaluation.task === "panoptic";
  const columns: Column[] = [
    { name: "Class" },
    ...(withKind ? [{ name: "Kind", text: true }] : []),
    ...metrics.flatMap(({ label, meaning, count }) => scoreColumns(label, runs.length, meaning, count ? 0 : undefined)),
  ];
  const rows: Table["rows"] = evaluation.classes.map(({ name, color, isThing }, label) => ({
    color,
    cells: [
      name,
      ...(withKind ? [isThing ? "thing" : "stuff"] : []),
      ...metrics.flatMap((one) => scoreCells(runs.map((run) => run.evaluation.classes[label].scores[one.name]))),
    ],
  }));
  return {
    title: "Classes",
    description: "The colours are those of the pictures. A click on a column's head sorts by it.",
    tables: [{ columns, rows }],
  };
}
