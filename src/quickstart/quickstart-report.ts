/**
 * @file The page of the quickstart: what fine-tuning makes of fresh and of pretrained weights, then the pretraining
 * itself.
 */

import type { EvaluatedModels } from "../evaluate/evaluate-models.js";
import type { Report, Section } from "../viz/report.js";
import { formatNumber } from "../viz/table.js";

/** Fine-tunings from fresh and from pretrained weights, in this order. */
type Comparison = Pick<EvaluatedModels, "evaluations" | "report">;

export function quickstartReport(pretraining: Report, { evaluations, report }: Comparison): Report {
  const [fresh, pretrained] = evaluations.map(
    ({ scores }) => `PQ ${formatNumber(scores.pq)}, mIoU ${formatNumber(scores.miouPan ?? null)}`,
  );
  return {
    title: "Mask-JEPA quickstart",
    summary:
      "A small model was pretrained on unlabelled scenes, then fine-tuned for panoptic segmentation twice, for as " +
      `many steps each: from fresh weights (A: ${fresh}) and from the pretrained ones (B: ${pretrained}). ` +
      `${pretraining.summary ?? ""}`,
    warnings: [...(pretraining.warnings ?? []), ...(report.warnings ?? [])],
    facts: pretraining.facts,
    sections: [
      ...report.sections.map((section): Section => ({ ...section, title: `Fine-tuned: ${section.title}` })),
      ...pretraining.sections.map((section): Section => ({ ...section, title: `Pretraining: ${section.title}` })),
    ],
    notes: [...(report.notes ?? []), ...(pretraining.notes ?? [])],
  };
}
