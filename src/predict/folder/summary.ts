/** @file What is written of all images together: `predictions.json`, COCO's files and the page. */

import { join } from "node:path";
import { skippedNotes } from "../../data/skipped-notes.js";
import type { BadFile } from "../../data/source.js";
import { writeFileAtomic } from "../../io/atomic-file.js";
import { manifest } from "../../io/manifest.js";
import type { Task } from "../../masks/segmentation.js";
import { renderReport } from "../../viz/report.js";
import type { Rules } from "../nothing-kept.js";
import type { LoadedModel } from "../trained-model.js";
import { categories } from "./coco-results.js";
import { writeJsonFile } from "./json-file.js";
import { KIND, PREDICTION_FILES } from "./output-directory.js";
import type { Results } from "./results.js";

export interface Summary {
  readonly checkpoint: string;
  readonly model: LoadedModel;
  readonly forms: ReadonlySet<Task>;
  readonly results: Results;
  readonly skipped: readonly BadFile[];
  readonly warnings: readonly string[];
  /** Whether every image had its turn. */
  readonly complete: boolean;
  readonly rules: Required<Rules>;
}

export async function writeSummary(out: string, summary: Summary): Promise<void> {
  const { checkpoint, model, forms, results, skipped, warnings, complete, rules } = summary;
  if (forms.has("panoptic")) {
    await writeJsonFile(join(out, PREDICTION_FILES.panopticJson), {
      images: results.list("panopticImages"),
      annotations: results.list("panopticAnnotations"),
      categories: categories(model.classes),
    });
  }
  if (forms.has("instance")) {
    await writeJsonFile(join(out, PREDICTION_FILES.instancesJson), results.list("instances"));
  }
  await writeFileAtomic(join(out, PREDICTION_FILES.page), await pageOf(summary));
  await writeJsonFile(join(out, PREDICTION_FILES.summary), {
    kind: KIND,
    version: manifest().version,
    complete,
    checkpoint,
    step: model.step,
    task: model.task,
    forms: [...forms],
    inference: { ...model.inference, ...rules },
    classes: categories(model.classes),
    images: results.list("records"),
    skipped,
    warnings,
  });
}

function pageOf({ checkpoint, model, forms, results, skipped, warnings, complete, rules }: Summary): Promise<string> {
  const { gallery, count } = results;
  const facts: [string, string][] = [
    ["Checkpoint", model.step === undefined ? checkpoint : `step ${model.step} of ${checkpoint}`],
    ["Images", String(count)],
    ["Classes", String(model.classes.length)],
  ];
  if (forms.has("panoptic")) facts.push(["Threshold of queries", String(rules.objectThreshold)]);
  if (forms.has("instance")) facts.push(["Threshold of instances", String(rules.scoreThreshold)]);
  const rest = count - gallery.length;
  const description =
    rest > 0 ? `The first ${gallery.length}; ${rest} more in the folders beside this page.` : undefined;
  return renderReport({
    title: "Predictions",
    summary: complete ? undefined : "Interrupted: not every image had its turn.",
    warnings: [...warnings],
    facts,
    sections: [{ title: "Images", description, gallery }],
    notes: skippedNotes(skipped),
  });
}
