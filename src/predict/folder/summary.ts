/** @file What is written of all images together: `predictions.json`, COCO's files and the page. */

import { join } from "node:path";
import { manifest } from "../../core/manifest.js";
import { skippedNotes } from "../../data/skipped-notes.js";
import type { BadFile } from "../../data/source.js";
import { type Write, writeFileAtomic } from "../../io/atomic-file.js";
import type { SegmentationClass, Task } from "../../masks/segmentation.js";
import { type GalleryRow, renderReport } from "../../viz/report.js";
import type { InferenceSettings, TrainedModel } from "../trained-model.js";
import { categories } from "./coco-results.js";
import type { ImageRecord, WrittenImage } from "./image-files.js";
import { KIND, PREDICTION_FILES } from "./output-directory.js";

export type Thresholds = Pick<InferenceSettings, "objectThreshold" | "overlapThreshold"> & {
  readonly scoreThreshold: number;
};

export interface Summary {
  readonly checkpoint: string;
  readonly model: TrainedModel;
  readonly forms: ReadonlySet<Task>;
  readonly written: readonly WrittenImage[];
  readonly skipped: readonly BadFile[];
  readonly warnings: readonly string[];
  /** Whether every image had its turn. */
  readonly complete: boolean;
  readonly thresholds: Thresholds;
}

/** Warnings of images in which nothing was kept, with the flag and a value that would have kept something. */
export function lowConfidence(written: readonly WrittenImage[], thresholds: Thresholds): string[] {
  const { objectThreshold, overlapThreshold, scoreThreshold } = thresholds;
  const records = written.map(({ record }) => record);
  const warnings: string[] = [];
  const blank = records.filter(({ segments }) => segments === 0);
  const unsure = blank.filter(({ confidence }) => confidence <= objectThreshold);
  if (unsure.length > 0) {
    const best = Math.max(...unsure.map(({ confidence }) => confidence));
    warnings.push(
      `${unsure.length} of ${records.length} panoptic maps are blank: no query is surer than --threshold ${objectThreshold} ` +
        `(the surest: ${best.toFixed(2)}). ${lower("--threshold", best)}`,
    );
  }
  if (blank.length > unsure.length) {
    warnings.push(
      `${blank.length - unsure.length} of ${records.length} panoptic maps are blank: no sure query keeps ` +
        `--overlap ${overlapThreshold} of its mask from the others. Lower --overlap.`,
    );
  }
  const empty = records.filter(({ instances }) => instances === 0);
  if (empty.length > 0) {
    const best = Math.max(...empty.map(({ bestScore = 0 }) => bestScore));
    warnings.push(
      `${empty.length} of ${records.length} images show no instance of a score of --threshold ${scoreThreshold} or more ` +
        `(the best: ${best.toFixed(2)}). ${lower("--threshold", best)}`,
    );
  }
  return warnings;
}

function lower(flag: string, best: number): string {
  const value = Math.floor(best * 20 - 1e-9) / 20;
  return value > 0 ? `Lower it, e.g. ${flag} ${value}.` : "The model has hardly learned anything yet.";
}

/** Writes a list piece by piece: of many images it can be longer than a string may be. */
async function writeList(write: Write, items: readonly unknown[]): Promise<void> {
  const encoder = new TextEncoder();
  await write(encoder.encode("["));
  for (const [i, item] of items.entries()) {
    await write(encoder.encode(`${i > 0 ? "," : ""}\n${JSON.stringify(item)}`));
  }
  await write(encoder.encode("\n]"));
}

export async function writeSummary(out: string, summary: Summary): Promise<void> {
  const { model, forms, written } = summary;
  if (forms.has("panoptic")) await writePanopticJson(join(out, PREDICTION_FILES.panopticJson), written, model.classes);
  if (forms.has("instance")) {
    const all = written.flatMap(({ instances }) => instances ?? []);
    await writeFileAtomic(join(out, PREDICTION_FILES.instancesJson), async (write) => {
      await writeList(write, all);
      await write(new TextEncoder().encode("\n"));
    });
  }
  await writeFileAtomic(join(out, PREDICTION_FILES.page), pageOf(summary));
  const { checkpoint, skipped, warnings, complete, thresholds } = summary;
  const content = {
    kind: KIND,
    version: manifest().version,
    complete,
    checkpoint,
    task: model.task,
    forms: [...forms],
    inference: { ...model.inference, ...thresholds },
    classes: categories(model.classes),
    images: written.map(({ record }) => record),
    skipped,
    warnings,
  };
  await writeFileAtomic(join(out, PREDICTION_FILES.summary), `${JSON.stringify(content, null, 2)}\n`);
}

async function writePanopticJson(
  path: string,
  written: readonly WrittenImage[],
  classes: readonly SegmentationClass[],
): Promise<void> {
  const images = written.map(({ record: { id, file, width, height } }) => ({ id, file_name: file, width, height }));
  const annotations = written.map(({ record, segmentsInfo }) => ({
    image_id: record.id,
    file_name: record.labels.panoptic?.split("/").at(-1),
    segments_info: segmentsInfo,
  }));
  await writeFileAtomic(path, async (write) => {
    const text = (value: string) => write(new TextEncoder().encode(value));
    await text('{"images": ');
    await writeList(write, images);
    await text(', "annotations": ');
    await writeList(write, annotations);
    await text(`, "categories": ${JSON.stringify(categories(classes))}}\n`);
  });
}

function captionOf({ file, segments, instances }: ImageRecord): string {
  const count = (n: number | undefined, what: string) => (n === undefined ? [] : `${n} ${what}${n === 1 ? "" : "s"}`);
  return [
    file.split(/[\\/]/).slice(-2).join("/"),
    ...[count(segments, "segment"), count(instances, "instance")].flat(),
  ].join(", ");
}

function pageOf({ checkpoint, model, forms, written, skipped, warnings, complete, thresholds }: Summary): string {
  const rows: GalleryRow[] = written.flatMap(({ record, cells }) =>
    cells.length > 0 ? { caption: captionOf(record), cells: [...cells] } : [],
  );
  const facts: [string, string][] = [
    ["Checkpoint", checkpoint],
    ["Images", String(written.length)],
    ["Classes", String(model.classes.length)],
  ];
  if (forms.has("panoptic")) facts.push(["Threshold of queries", String(thresholds.objectThreshold)]);
  if (forms.has("instance")) facts.push(["Threshold of instances", String(thresholds.scoreThreshold)]);
  const rest = written.length - rows.length;
  const description = rest > 0 ? `The first ${rows.length}; ${rest} more in the folders beside this page.` : undefined;
  return renderReport({
    title: "Predictions",
    summary: complete ? undefined : "Interrupted: not every image had its turn.",
    warnings: [...warnings],
    facts,
    sections: [{ title: "Images", description, gallery: rows }],
    notes: skippedNotes(skipped),
  });
}
