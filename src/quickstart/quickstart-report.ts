/** @file The page of the quickstart: what fine-tuning makes of fresh and of pretrained weights, then the pretraining itself. */

import { join } from "node:path";
import type { EvaluatedModels } from "../predict/evaluation/evaluate-models.js";
import { RUN_FILES } from "../run/run-directory.js";
import { readMetrics } from "../train/metrics-log.js";
import type { Chart } from "../viz/chart.js";
import type { Report, Section } from "../viz/report.js";
import { formatNumber } from "../viz/table.js";

/** Fine-tunings from fresh and from pretrained weights, in this order. */
interface Comparison extends Pick<EvaluatedModels, "evaluations" | "report"> {
  readonly runs: readonly string[];
}

export function quickstartReport(pretraining: Report, { evaluations, report, runs }: Comparison): Report {
  const [fresh, pretrained] = evaluations.map(
    ({ scores }) => `PQ ${formatNumber(scores.pq)}, mIoU ${formatNumber(scores.miouPan ?? null)}`,
  );
  return {
    title: "Mask-JEPA quickstart",
    summary: `A small model was pretrained on unlabelled scenes, then fine-tuned for panoptic segmentation twice, for as many steps each: from fresh weights (A: ${fresh}) and from the pretrained ones (B: ${pretrained}). ${pretraining.summary ?? ""}`,
    warnings: [...(pretraining.warnings ?? []), ...(report.warnings ?? [])],
    facts: pretraining.facts,
    sections: [
      { title: "Fine-tuning loss", charts: [lossChart(runs)] },
      ...report.sections.map((section): Section => ({ ...section, title: `Fine-tuned: ${section.title}` })),
      ...pretraining.sections.map((section): Section => ({ ...section, title: `Pretraining: ${section.title}` })),
    ],
    notes: [...(report.notes ?? []), ...(pretraining.notes ?? [])],
  };
}

/** The total loss of both runs by step. */
function lossChart(runs: readonly string[]): Chart {
  const series = runs.map((run, i) => {
    const metrics = readMetrics(join(run, RUN_FILES.metrics));
    return {
      name: i === 0 ? "A: fresh weights" : "B: pretrained weights",
      x: metrics.map(({ step }) => step),
      y: metrics.map(({ loss }) => Number(loss)),
    };
  });
  return { title: "Sum of the losses of all outputs", xLabel: "step", yLabel: "loss", wide: true, series };
}
