/** @file A study's numbers for people: a table with spread, differences of pairs, and the curves, as text, JSON and a page. */

import { textTable } from "../src/core/text-table.js";
import { metric as metricNamed } from "../src/evaluate/metrics.js";
import type { Chart } from "../src/viz/chart.js";
import { renderReport } from "../src/viz/report.js";
import type { ProbeRow } from "./probe-readings.js";
import { lastScore, type Reading, type Row, scoreAt } from "./readings.js";
import { mean, paired, standardError, withError } from "./statistics.js";
import type { Study } from "./studies.js";

const PROBE_TITLE = "Linear classifiers on frozen features, before and after pretraining";

/** As tables call it, e.g. "PQ". */
function metricOf(rows: readonly Row[]): string {
  const name = rows.flatMap(({ readings }) => readings).find((one) => one)?.metric ?? rows[0]?.score;
  return name === undefined ? "score" : metricNamed(name).label;
}

/** The rows that are compared with one another, the baseline first: one score, one share of the labels, one family. */
function groupsOf(rows: readonly Row[]): { labels: string; metric: string; baseline: Row; rows: readonly Row[] }[] {
  const keyOf = ({ score, labels, arm }: Row) => [score, labels, arm.family].join(" ");
  return [...new Set(rows.map(keyOf))].map((key) => {
    const group = rows.filter((row) => keyOf(row) === key);
    return { labels: group[0].labels, metric: metricOf(group), baseline: group[0], rows: group };
  });
}

const known = <T>(values: readonly (T | undefined)[]): T[] => values.filter((value) => value !== undefined);

/** One row's numbers: every seed, their mean, and the differences from the baseline with the same seed. */
function numbersOf(row: Row, { baseline, metric }: Pick<ReturnType<typeof groupsOf>[number], "baseline" | "metric">) {
  const scores = row.readings.map(lastScore);
  const differences = row === baseline ? [] : paired(scores, baseline.readings.map(lastScore));
  return { metric, arm: row.arm.name, labels: row.labels, scores, differences };
}

export interface StudyNumbers {
  readonly title: string;
  /** Those of the rows. */
  readonly metrics: readonly string[];
  readonly seeds: readonly number[];
  readonly rows: readonly ReturnType<typeof numbersOf>[];
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

export function studyText(study: Study, numbers: StudyNumbers): string {
  return [
    `${study.title} (${numbers.metrics.join(", ")} in percent; mean and standard error; differences by seed from the first arm)`,
    ...textTable(cellsOf(numbers)).map((line) => `  ${line}`),
    ...verdicts(numbers).map((line) => `  ${line}`),
    ...(study.paper ? [`  The paper: ${study.paper}`] : []),
    ...(numbers.probes.length > 0
      ? [`${PROBE_TITLE} (mIoU in percent)`, ...textTable(probeCellsOf(numbers)).map((line) => `  ${line}`)]
      : []),
  ].join("\n");
}

/** Steps at which every reading of these rows has a score. */
function commonSteps(readings: readonly Reading[]): number[] {
  const [first, ...others] = readings;
  return (first?.curve ?? [])
    .map(({ step }) => step)
    .filter((step) => others.every((one) => scoreAt(one, step) !== undefined));
}

/** Mean scores over the steps of fine-tuning, and the mean differences from the baseline: early help is not help in the end. */
function charts(rows: readonly Row[]): Chart[] {
  return groupsOf(rows).flatMap(({ labels, metric, baseline, rows: group }) => {
    const steps = commonSteps(group.flatMap(({ readings }) => known(readings)));
    if (steps.length < 2) return [];
    const curve = (name: string, valuesAt: (step: number) => readonly number[]) => ({
      name,
      x: steps,
      y: steps.map((step) => mean(valuesAt(step))),
    });
    const at = ({ readings }: Row, step: number) => readings.map((reading) => scoreAt(reading, step));
    return [
      {
        title: `${metric}, ${labels} of the labels`,
        xLabel: "steps of fine-tuning",
        yLabel: metric,
        series: group.map((row) => curve(row.arm.name, (step) => known(at(row, step)))),
      },
      {
        title: `Difference from ${baseline.arm.name}, ${labels} of the labels`,
        xLabel: "steps of fine-tuning",
        yLabel: "points",
        series: group
          .filter((row) => row !== baseline)
          .map((row) => curve(row.arm.name, (step) => paired(at(row, step), at(baseline, step)))),
      },
    ];
  });
}

export function studyPage(
  study: Study,
  numbers: StudyNumbers,
  rows: readonly Row[],
  commands: readonly string[],
): Promise<string> {
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
      {
        title: "Scores",
        tables: [table(cellsOf(numbers), 1)],
        charts: charts(rows),
      },
      ...(numbers.probes.length > 0 ? [{ title: PROBE_TITLE, tables: [table(probeCellsOf(numbers), 2)] }] : []),
    ],
    notes: [...verdicts(numbers), ...commands],
  });
}
