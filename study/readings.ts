/** @file What was measured in the runs of a study. */

import { existsSync } from "node:fs";
import { loggedMetrics } from "../src/run/run-log.js";
import type { Cell } from "./comparison.js";
import type { Arm, Study } from "./studies.js";

/** The scores that decide, of the tasks that have one; the first that a run logged is its own. */
const DECIDING = ["pq", "ap", "miou"] as const;

/** A score in percent after a number of steps. */
export interface Scored {
  readonly step: number;
  readonly value: number;
}

export interface Reading {
  readonly metric: string;
  readonly curve: readonly Scored[];
}

/** One of the scores of a fine-tuning; undefined for one that has none yet. */
function readingOf({ finetuning: { out } }: Cell, scores: readonly string[] = DECIDING): Reading | undefined {
  if (!existsSync(out)) return undefined;
  const records = loggedMetrics(out);
  const metric = scores.find((name) => records.some((record) => `val-${name}` in record));
  if (!metric) return undefined;
  const curve = records.flatMap(({ step, [`val-${metric}`]: value }) =>
    typeof value === "number" ? [{ step, value }] : [],
  );
  return { metric, curve };
}

/** One row of numbers: a score of an arm with a share of the labels, a place for every seed. */
export interface Row {
  readonly arm: Arm;
  readonly labels: string;
  /** As it is logged, where the study asks for several. */
  readonly score?: string;
  readonly readings: readonly (Reading | undefined)[];
}

/** Where no run logged any of the scores that the study asks for, as with labels for another task, of the one that decides. */
export function rowsOf(study: Study, cells: readonly Cell[], seeds: readonly number[]): Row[] {
  const shares = [...new Set(cells.map(({ labels }) => labels))];
  const rowsOfScore = (score?: string): Row[] =>
    shares.flatMap((labels) =>
      study.arms.map((arm) => ({
        arm,
        labels,
        score,
        readings: seeds.map((seed) => {
          const cell = cells.find((one) => one.arm === arm && one.labels === labels && one.seed === seed);
          return cell && readingOf(cell, score === undefined ? undefined : [score]);
        }),
      })),
    );
  const logged = study.scores?.filter((score) => cells.some((cell) => readingOf(cell, [score]))) ?? [];
  return logged.length > 0 ? logged.flatMap(rowsOfScore) : rowsOfScore();
}

/** The score at the end of a run. */
export const lastScore = (reading: Reading | undefined): number | undefined => reading?.curve.at(-1)?.value;

/** The score after `step` steps. */
export const scoreAt = (reading: Reading | undefined, step: number): number | undefined =>
  reading?.curve.find((one) => one.step === step)?.value;

/** Steps after which every reading of these rows that is there has a score. */
export function stepsOf(rows: readonly Row[]): number[] {
  const [first, ...others] = rows.flatMap(({ readings }) => readings.filter((reading) => reading !== undefined));
  return (first?.curve ?? [])
    .map(({ step }) => step)
    .filter((step) => others.every((one) => scoreAt(one, step) !== undefined));
}
