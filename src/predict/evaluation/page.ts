/** @file The page of an evaluation: scores, classes, pictures beside their ground truth, and what could not be used. */

import { skippedNotes } from "../../data/skipped-notes.js";
import type { Task } from "../../masks/segmentation.js";
import { type GalleryRow, type Report, renderReport, type Section } from "../../viz/report.js";
import type { Column, Table } from "../../viz/table.js";
import type { Evaluation } from "./evaluation.js";
import { METRICS, type Metric, type Scores } from "./metrics.js";

/** One evaluated model and what the page calls it. */
export interface EvaluatedRun {
  /** Folder of the run, or of the checkpoint. */
  readonly checkpoint: string;
  readonly step: number;
  readonly evaluation: Evaluation;
}

export interface EvaluatedData {
  readonly path: string;
  readonly split: string;
  /** Images that the split holds; fewer may have been taken. */
  readonly images: number;
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

/** "A" and "B" of two runs. */
export const letterOf = (run: number) => String.fromCharCode(65 + run);

/** The page as HTML that loads nothing from elsewhere. */
export function evaluationPage({ data, runs, galleries, facts }: EvaluationPage): string {
  const [{ evaluation }] = runs;
  const { label } = METRICS[evaluation.deciding.metric];
  const used = evaluation.images.length;
  const names = runs.map(({ checkpoint, step }, i): [string, string] => [
    runs.length > 1 ? `Model ${letterOf(i)}` : "Checkpoint",
    `${checkpoint}, step ${step}`,
  ]);
  return renderReport({
    title: runs.length > 1 ? `Two models compared: ${evaluation.task}` : `Evaluation: ${evaluation.task} segmentation`,
    summary: `${label} ${runs.map((run) => formatScore(run.evaluation.deciding.value)).join(" and ")} on ${used} images of ${data.path}, ${data.split}.`,
    warnings: warningsOf(evaluation),
    facts: [
      ...names,
      ["Data", `${data.path}, ${data.split}`],
      ["Images", used === data.images ? `${used}` : `${used} of ${data.images}`],
      ["Classes", classCounts(evaluation)],
      ...facts,
    ],
    sections: [scoreSection(runs), classSection(runs), ...galleries.map(gallerySection)],
    notes: skippedNotes(evaluation.skipped),
  });
}

function warningsOf({ skipped, images }: Evaluation): string[] {
  if (skipped.length === 0) return [];
  return [`${skipped.length} of ${skipped.length + images.length} images could not be used; the notes name them.`];
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

const metricsOf = (scores: Scores) => (Object.keys(METRICS) as Metric[]).filter((metric) => scores[metric] !== undefined);

const difference = (a: number | null | undefined, b: number | null | undefined) =>
  typeof a === "number" && typeof b === "number" ? b - a : null;

/** Heads of a score's columns: one, or A, B and B - A. */
function scoreColumns(name: string, runs: number, meaning?: string): Column[] {
  if (runs === 1) return [{ name, meaning }];
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
  const names = runs.length > 1 ? ["A", "B"] : ["score"];
  const columns: Column[] = [
    { name: "Metric" },
    ...names.map((name) => ({ name })),
    ...(runs.length > 1 ? [{ name: "B \u2212 A", difference: true }] : []),
    { name: "What it is", text: true },
  ];
  const rows = metricsOf(runs[0].evaluation.scores).map((metric) => ({
    cells: [
      METRICS[metric].label,
      ...scoreCells(runs.map(({ evaluation }) => evaluation.scores[metric])),
      METRICS[metric].meaning,
    ],
    total: metric === runs[0].evaluation.deciding.metric,
  }));
  return {
    title: "Scores",
    description: "In percent. A dash stands where no class has ground truth.",
    tables: [{ columns, rows, fixed: true }],
  };
}

/** Scores of classes that two models are compared by; the page of one model shows all that there are. */
const COMPARED: Record<Task, readonly Metric[]> = {
  panoptic: ["pq", "sq", "rq"],
  instance: ["ap", "ap50"],
  semantic: ["iou", "acc"],
};

/** Columns of whole numbers. */
const COUNTS: ReadonlySet<Metric> = new Set(["tp", "fp", "fn"]);

function classSection(runs: readonly EvaluatedRun[]): Section {
  const [{ evaluation }] = runs;
  const present = new Set(evaluation.classes.flatMap(({ scores }) => metricsOf(scores)));
  const shown = runs.length > 1 ? COMPARED[evaluation.task] : (Object.keys(METRICS) as Metric[]);
  const metrics = shown.filter((metric) => present.has(metric));
  const withKind = evaluation.task === "panoptic";
  const columns: Column[] = [
    { name: "Class" },
    ...(withKind ? [{ name: "Kind", text: true }] : []),
    ...metrics.flatMap((metric) => {
      const { label, meaning } = METRICS[metric];
      return scoreColumns(label, runs.length, meaning).map((column) =>
        COUNTS.has(metric) ? { ...column, digits: 0 } : column,
      );
    }),
  ];
  const rows: Table["rows"] = evaluation.classes.map(({ name, color, isThing }, label) => ({
    color,
    cells: [
      name,
      ...(withKind ? [isThing ? "thing" : "stuff"] : []),
      ...metrics.flatMap((metric) => scoreCells(runs.map((run) => run.evaluation.classes[label].scores[metric]))),
    ],
  }));
  return {
    title: "Classes",
    description: "The colours are those of the pictures. A click on a column's head sorts by it.",
    tables: [{ columns, rows }],
  };
}

function formatScore(value: number | null): string {
  return value === null ? "\u2013" : value.toFixed(1);
}
