/** @file Charts over the steps of a run, from what it logged. */

import type { Chart, Series } from "./chart.js";

/** What a run logged after a step, by name. */
export interface StepRecord {
  readonly step: number;
  readonly [name: string]: number | string;
}

/** A curve over the steps on which a metric was logged; undefined when it never was. */
export function metricCurve(records: readonly StepRecord[], metric: string, name: string): Series | undefined {
  const logged = records.filter((record) => record[metric] !== undefined);
  if (logged.length === 0) return undefined;
  return { name, x: logged.map(({ step }) => step), y: logged.map((record) => Number(record[metric])) };
}

/** A chart of those curves that there are. */
export function stepChart(
  about: Omit<Chart, "series" | "xLabel" | "yLabel">,
  series: readonly (Series | undefined)[],
  yLabel = "",
): Chart {
  return { ...about, xLabel: "step", yLabel, series: series.filter((s) => s !== undefined) };
}
