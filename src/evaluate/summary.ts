/** @file One or two models in a few lines: a table for the terminal, and what explains poor scores. */

import { plural } from "../core/text.js";
import { textTable } from "../core/text-table.js";
import { formatNumber } from "../viz/table.js";
import type { Evaluation } from "./evaluation.js";
import { sortedMetrics } from "./metrics.js";

/** One line a score: its name, a column a model, and of two models the difference. */
export function summaryTable(evaluations: readonly Evaluation[]): string {
  const [first, second] = evaluations;
  const rows = sortedMetrics(Object.keys(first.scores)).map(({ name, label }) => {
    const values = evaluations.map(({ scores }) => scores[name] ?? null);
    const [a, b] = values;
    const change = second && (a === null || b === null ? null : b - a);
    const cells = values.map((value) => formatNumber(value));
    return [label, ...cells, ...(change === undefined ? [] : [formatNumber(change, { difference: true })])];
  });
  const head = second ? [["", "A", "B", "B - A"]] : [];
  return textTable([...head, ...rows]).join("\n");
}

/** `1 validation image, 1 could not be used`: of how many images a score is. */
export function imageCounts({ images, skipped }: Pick<Evaluation, "images" | "skipped">, split: string): string {
  const used = plural(images.length, `${split === "val" ? "validation" : split} image`);
  return skipped.length > 0 ? `${used}, ${skipped.length} could not be used` : used;
}

/** "A" and "B" of two models. */
export const letterOf = (model: number) => String.fromCharCode(65 + model);

/** The warnings of all models, of two with their letters. */
export function modelWarnings(evaluations: readonly Evaluation[]): string[] {
  return evaluations.flatMap(({ warnings }, i) =>
    warnings.map((warning) => (evaluations.length > 1 ? `model ${letterOf(i)}: ${warning}` : warning)),
  );
}
