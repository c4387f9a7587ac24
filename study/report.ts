/** @file A study's numbers for people: a table with spread, differences of pairs, and the curves, as text, JSON and a page. */

import { textTable } from "../src/core/text-table.js";
import { metric as metricNamed } from "../src/evaluate/metrics.js";
import type { Chart } from "../src/viz/chart.js";
import { renderReport } from "../src/viz/report.js";
import type { ProbeRow } from "./probe-readings.js";
import { lastScore, type Row, scoreAt, stepsOf } from "./readings.js";
import { mean, paired, standardError, withError } from "./statistics.js";
import type { Study } from "./studies.js";

const PROBE_TITLE = "Linear classifiers on frozen features, before and after pretraining";

/** As tables call it, e.g. "PQ". */
function metricOf(rows: readonly Row[]): string {
  const name = rows.flatMap(({ readings }) => readings).find((one) => one)?.metric ?? rows[0]?.score;
  return name === undefined ? "score" : metricNamed(name).label;
}

/** Items with the same key, in the order of the keys' first appearance. */
function grouped<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  return [...new Set(items.map(keyOf))].map((key) => items.filter((item) => keyOf(item) === key));
}

/** Rows that are compared with one another, the baseline first. */
interface Group {
  readonly metric: string;
  readonly baseline: Row;
  readonly rows: readonly Row[];
}

/** Of one score, one share of the labels, one family. */
const groupsOf = (rows: readonly Row[]): Group[] =>
  grouped(rows, ({ score, labels, arm }) => [score, labels, arm.family].join(" ")).map((group) => ({
    metric: metricOf(group),
    baseline: group[0],
    rows: group,
  }));

const known = <T>(values: readonly (T | undefined)[]): T[] => values.filter((value) => value !== undefined);

/** One score of every seed, and its differences from the baseline with the same seed. */
function scoresOf(row: Row, { baseline }: Group, scoreOf: (reading: Row["readings"][number]) => number | undefined) {
  const scores = row.readings.map(scoreOf);
  return { scores, differences: row === baseline ? [] : paired(scores, baseline.readings.map(scoreOf)) };
}

/** One row's numbers: at the end, and on the way there at the steps that all rows of its group have. */
const numbersOf = (row: Row, group: Group) => ({
  metric: group.metric,
  arm: row.arm.name,
  /** The arm that it is compared with. */
  baseline: group.baseline.arm.name,
  labels: row.labels,
  ...scoresOf(row, group, lastScore),
  curve: stepsOf(group.rows).map((step) => ({ step, ...scoresOf(row, group, (reading) => scoreAt(reading, step)) })),
});

type RowNumbers = ReturnType<typeof numbersOf>;

export interface StudyNumbers {
  readonly title: string;
  /** Those of the rows. */
  readonly metrics: readonly string[];
  readonly seeds: readonly number[];
  readonly rows: readonly RowNumbers[];
  readonly probes: readonly ProbeRow[];
}

export const studyNumbers = (
  study: Study,
  rows: readonly Row[],
  { seeds, probes }: Pick<StudyNumbers, "seeds" | "probes">,
): StudyNumbers => {
  const groups = groupsOf(rows);
  return {
    title: study.title,
    metrics: [...new Set(groups.map(({ metric }) => metric))],
    seeds,
    probes,
    rows: groups.flatMap((group) => group.rows.map((row) => numbersOf(row, group))),
  };
};

/** Of each row: the name, the labels, every seed's score, mean and standard error, and those of the differences. */
function cellsOf({ seeds, rows, metrics }: StudyNumbers): string[][] {
  const several = metrics.length > 1;
  const head = ["", ...(several ? ["score"] : []), "labels", ...seeds.map((seed) => `seed ${seed}`)];
  return [
    [...head, "mean", "difference"],
    ...rows.map(({ metric, arm, labels, scores, differences }) => [
      arm,
      ...(several ? [metric] : []),
      labels,
      ...scores.map((score) => score?.toFixed(1) ?? "-"),
      withError(known(scores)),
      withError(differences, { signed: true }),
    ]),
  ];
}

/** Of each map of each pretraining: what a linear classifier knows from it before and after, and the difference by seed. */
function probeCellsOf({ probes }: StudyNumbers): string[][] {
  return [
    ["pretraining", "map", "before", "after", "difference"],
    ...probes.map(({ pretraining, map, start, trained }) => [
      ...[pretraining, map, withError(known(start)), withError(known(trained))],
      withError(paired(trained, start), { signed: true }),
    ]),
  ];
}

/** Whether a difference is one: at least two standard errors from zero. */
function verdicts({ rows }: StudyNumbers): string[] {
  return rows.flatMap(({ metric, arm, labels, differences }) => {
    const ratio = Math.abs(mean(differences)) / standardError(differences);
    if (!Number.isFinite(ratio)) return []; // one repeat, or repeats that do not differ
    const said = ratio >= 2 ? "a difference" : "no difference that these repeats can tell";
    return [`${arm}, ${metric}, ${labels} of the labels: ${said} (${ratio.toFixed(1)} standard errors)`];
  });
}

/** What is compared with one and the same arm, where it was scored more than once on the way. */
interface Course {
  /** What was scored: "PQ, 10% of the labels". */
  readonly title: string;
  readonly baseline: string;
  readonly rows: readonly RowNumbers[];
}

const coursesOf = ({ rows }: StudyNumbers): Course[] =>
  grouped(rows, ({ metric, labels, baseline }) => [metric, labels, baseline].join(" "))
    .filter(([{ curve }]) => curve.length > 1)
    .map((group) => {
      const [{ metric, labels, baseline }] = group;
      return { title: `${metric}, ${labels} of the labels`, baseline, rows: group };
    });

/** Columns of steps that a line of text has room for. */
const COLUMNS = 8;

/** Differences from the baseline over the steps of fine-tuning, a line an arm: early help is not help in the end. */
function courseCellsOf({ rows }: Course): string[][] {
  const [{ curve }] = rows;
  const every = Math.ceil(curve.length / COLUMNS);
  const shown = curve.flatMap((_, i) => ((curve.length - 1 - i) % every === 0 ? [i] : [])); // the last one always
  return [
    ["", ...shown.map((i) => `step ${curve[i].step}`)],
    ...rows
      .filter(({ arm, baseline }) => arm !== baseline)
      .map((row) => [row.arm, ...shown.map((i) => withError(row.curve[i].differences, { signed: true }))]),
  ];
}

const courseTitle = ({ baseline, title }: Course) => `Difference from ${baseline}, ${title}`;

export function studyText(study: Study, numbers: StudyNumbers): string {
  const indented = (cells: string[][]) => textTable(cells).map((line) => `  ${line}`);
  return [
    `${study.title} (${numbers.metrics.join(", ")} in percent; mean and standard error; differences by seed from the first arm)`,
    ...indented(cellsOf(numbers)),
    ...verdicts(numbers).map((line) => `  ${line}`),
    ...(study.paper ? [`  The paper: ${study.paper}`] : []),
    ...coursesOf(numbers).flatMap((course) => [courseTitle(course), ...indented(courseCellsOf(course))]),
    ...(numbers.probes.length > 0 ? [`${PROBE_TITLE} (mIoU in percent)`, ...indented(probeCellsOf(numbers))] : []),
  ].join("\n");
}

/** Mean scores over the steps of fine-tuning, and the mean differences from the baseline, with their standard errors. */
function chartsOf(course: Course): Chart[] {
  const { title, baseline, rows } = course;
  const xLabel = "steps of fine-tuning";
  const curve = ({ arm, curve }: RowNumbers, valuesAt: (at: RowNumbers["curve"][number]) => readonly number[]) => ({
    name: arm,
    x: curve.map(({ step }) => step),
    y: curve.map((at) => mean(valuesAt(at))),
    spread: curve.map((at) => standardError(valuesAt(at))),
  });
  return [
    {
      title,
      description: "Mean and standard error.",
      xLabel,
      yLabel: rows[0].metric,
      series: rows.map((row) => curve(row, ({ scores }) => known(scores))),
    },
    {
      title: courseTitle(course),
      description: "By seed, mean and standard error.",
      xLabel,
      yLabel: "points",
      // The baseline is drawn too, as zero: each arm has one colour in both charts.
      series: rows.map((row) => curve(row, ({ differences }) => (row.arm === baseline ? [0] : differences))),
    },
  ];
}

export function studyPage(study: Study, numbers: StudyNumbers, commands: readonly string[]): Promise<string> {
  const table = ([head, ...body]: readonly string[][], names: number) => ({
    fixed: true,
    columns: head.map((name, i) => ({ name, text: i < names })),
    rows: body.map((cells) => ({ cells })),
  });
  return renderReport({
    title: study.title,
    summary: `${numbers.metrics.join(", ")} in percent, mean and standard error over ${numbers.seeds.length} seeds; differences by seed from the first arm.`,
    facts: study.paper ? [["The paper", study.paper]] : [],
    sections: [
      { title: "Scores", tables: [table(cellsOf(numbers), 1)] },
      ...coursesOf(numbers).map((course) => ({
        title: `Over the steps of fine-tuning: ${course.title}`,
        description: `Differences from ${course.baseline}, by seed.`,
        tables: [table(courseCellsOf(course), 1)],
        charts: chartsOf(course),
      })),
      ...(numbers.probes.length > 0 ? [{ title: PROBE_TITLE, tables: [table(probeCellsOf(numbers), 2)] }] : []),
    ],
    notes: [...verdicts(numbers), ...commands],
  });
}
