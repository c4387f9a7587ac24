/** @file How the evaluated models were trained: the curves of their runs. */

import { metricCurve, type StepRecord, stepChart } from "../viz/metric-curves.js";
import type { Section } from "../viz/report.js";
import { metric } from "./metrics.js";
import { letterOf } from "./summary.js";

/** Losses of the last layer's prediction, by their name in the log. */
const PARTS = [
  ["loss_ce", "class"],
  ["loss_mask", "mask"],
  ["loss_dice", "dice"],
] as const;

/**
 * Losses, and the deciding score on the validation images, of one run or of several over each other.
 * @param logs what each run logged, nothing where that is not known
 * @param deciding name of the deciding score
 * @returns undefined when no run logged anything
 */
export function trainingSection(logs: readonly (readonly StepRecord[])[], deciding: string): Section | undefined {
  const { label } = metric(deciding);
  const over = (name: string, shown: string) =>
    logs.map((log, i) => metricCurve(log, name, logs.length > 1 ? `model ${letterOf(i)}` : shown));
  const parts = logs.length > 1 ? [] : PARTS.map(([name, part]) => metricCurve(logs[0], name, part));
  const charts = [
    stepChart(
      { title: "Training loss", description: "Sum over all supervised predictions.", wide: true },
      over("loss", "loss"),
    ),
    stepChart({ title: "Losses of the last prediction" }, parts),
    stepChart({ title: `${label} on the validation images` }, over(`val-${deciding}`, label), "percent"),
  ].filter(({ series }) => series.length > 0);
  return charts.length > 0 ? { title: "Training", charts } : undefined;
}
