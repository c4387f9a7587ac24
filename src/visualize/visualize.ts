/** @file Pictures of what a run has learned, from any images: `mask-jepa visualize`. */

import { join } from "node:path";
import { SILENT } from "../core/reporter.js";
import { skippedNotes } from "../data/skipped-notes.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { makeFolder, removeMadeFolders } from "../io/folder.js";
import { renderReport } from "../viz/report.js";
import { drawFineTuned } from "./fine-tuned.js";
import { Gallery } from "./gallery.js";
import { drawPretraining } from "./pretraining.js";
import { runKindOf } from "./run-kind.js";
import type { Drawing, Visualization, VisualizationOptions } from "./visualization.js";

/**
 * Writes for each image a strip, and of all of them `index.html` and `quality.json`. Of a pretraining run: photo,
 * k-means and principal components before and after, prediction error; of a fine-tuned model: photo, prediction,
 * k-means and principal components, beside those of the weights that it began with where they can be had.
 * @throws InputError for a checkpoint that is missing, damaged or of another kind, and when no image can be read
 */
export async function runVisualization(options: VisualizationOptions): Promise<Visualization> {
  const { checkpoint, out, reporter = SILENT, ...rest } = options;
  const run = await runKindOf(checkpoint);
  const firstMade = await makeFolder(out, `--out ${out}`);
  const gallery = new Gallery(out);
  const drawingOptions = { ...rest, reporter, gallery };
  const drawn =
    run.kind === "pretraining"
      ? drawPretraining(checkpoint, run.settings, drawingOptions)
      : drawFineTuned(checkpoint, run.settings, drawingOptions);
  const drawing = await drawn.catch(async (error: unknown) => {
    await removeMadeFolders(out, firstMade);
    throw error;
  });
  const { title, reading, facts, warnings = [], skipped, ...quality } = drawing;
  const visualization: Visualization = { ...quality, images: gallery.images, skipped };
  await writeFileAtomic(join(out, "quality.json"), `${JSON.stringify(visualization, null, 2)}\n`);
  await writeFileAtomic(join(out, "index.html"), await pageOf(checkpoint, drawing, gallery));
  for (const warning of warnings) reporter.warn(warning);
  return visualization;
}

function pageOf(
  checkpoint: string,
  { title, reading, step, facts, warnings, skipped }: Drawing,
  gallery: Gallery,
): Promise<string> {
  const { rows, images } = gallery;
  const rest = images.length - rows.length;
  const description =
    rest > 0 ? `${reading} The first ${rows.length}; the strips of ${rest} more lie beside this page.` : reading;
  return renderReport({
    title,
    warnings: [...(warnings ?? [])],
    facts: [
      ["Checkpoint", step === undefined ? checkpoint : `${checkpoint}, step ${step}`],
      ["Images", String(images.length)],
      ...facts,
    ],
    sections: [{ title: "Images", description, gallery: rows }],
    notes: skippedNotes(skipped),
  });
}
