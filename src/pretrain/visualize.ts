/** @file Pictures of what a checkpoint sees in any images: `mask-jepa visualize`. */

import { availableParallelism } from "node:os";
import { basename, extname, join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.js";
import { matchWeights } from "../checkpoint/match-weights.js";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { Shape } from "../core/tensor-data.js";
import { warnOfOddRanges } from "../data/sample-ranges.js";
import { skippedNotes } from "../data/skipped-notes.js";
import { type BadFile, folderSource } from "../data/source.js";
import { exists, writeFileAtomic } from "../io/atomic-file.js";
import { makeFolder } from "../io/folder.js";
import { SETTINGS_FILE } from "../run/run-files.js";
import { createRuntime } from "../runtime/create-runtime.js";
import { encodePng } from "../viz/picture.js";
import { renderReport } from "../viz/report.js";
import { stepOptions } from "./composition.js";
import { type DrawnImages, drawImages, READING_PICTURES, stripOf, uploadTensors } from "./feature-pictures.js";
import { type NamedCrop, usableCrops } from "./image-crops.js";
import { maskJepaGraphs } from "./mask-jepa.js";
import { type PretrainSettings, whiteOf } from "./settings.js";
import { loadSettings } from "./settings-resolution.js";

export interface VisualizationOptions {
  /** Folder of a run, or of one of its checkpoints. */
  checkpoint: string;
  /** Folders of images. */
  images: readonly string[];
  /** Folder for the pictures; files of the same names are replaced, others stay. */
  out: string;
  /** The first so many images that can be read. */
  count: number;
  reporter?: Reporter;
}

/** Masked prediction of images; mean squared errors over masked positions and channels. Without reconstruction: counts alone. */
export interface PredictionQuality {
  /** Steps that the checkpoint was trained for. */
  step: number;
  /** Error of the prediction, mean over the images. */
  error?: number;
  /** Error of predicting the mean feature of all these images. */
  meanError: number;
  /** 1 - error / meanError */
  explainedVariance?: number;
  images: { file: string; picture: string; error?: number; explainedVariance?: number }[];
  skipped: readonly BadFile[];
}

/**
 * Writes for each image a strip (photo, k-means and principal components before and after, prediction error), and of all
 * of them `index.html` and `quality.json`.
 * @throws InputError when the checkpoint is missing, damaged or no pretraining's, or when no image can be read
 */
export async function runVisualization(options: VisualizationOptions): Promise<PredictionQuality> {
  const { checkpoint, images, out, count, reporter = SILENT } = options;
  const settings = await settingsOf(checkpoint);
  const trained = await loadTrained(checkpoint, settings, reporter);
  const source = await folderSource(images, { white: whiteOf(settings) });
  await warnOfOddRanges(source, reporter);
  const all = Array.from({ length: source.length }, (_, i) => i);
  const usable = await usableCrops(source, all, settings.data.size, count);
  const skipped = [...source.faults, ...usable.skipped];
  if (usable.images.length === 0) {
    throw new InputError({
      where: images.join(", "),
      expected: "at least one image that can be read",
      found: `none; ${skipped[0].file}: ${skipped[0].reason}`,
    });
  }
  const { device, cores } = settings.run;
  const runtime = await createRuntime({ device, cores: cores || availableParallelism() });
  const online = await uploadTensors(runtime, trained.tensors.model);
  const target = await uploadTensors(runtime, trained.tensors.target);
  const drawn = await drawImages(runtime, settings, usable.images, { online, target });
  for (const tensor of [...online.values(), ...target.values()]) tensor.dispose();
  runtime.dispose();
  const quality = qualityOf(trained.step, usable.images, drawn, skipped);
  await writePictures(out, drawn, quality);
  return quality;
}

/** The settings of the run that a folder is, or belongs to. */
async function settingsOf(checkpoint: string): Promise<PretrainSettings> {
  for (const folder of [checkpoint, join(checkpoint, ".."), join(checkpoint, "..", "..")]) {
    const file = join(folder, SETTINGS_FILE);
    if (await exists(file)) return loadSettings(file);
  }
  throw new InputError({
    where: `--checkpoint ${checkpoint}`,
    expected: "the folder of a pretraining run, or one of its checkpoints",
    found: (await exists(checkpoint)) ? `no ${SETTINGS_FILE} there` : "nothing of that name",
    fix: "Give the folder that pretrain wrote with --out.",
  });
}

/** The checkpoint, with exactly the tensors of the model that the settings describe. */
async function loadTrained(path: string, settings: PretrainSettings, reporter?: Reporter): Promise<Checkpoint> {
  const checkpoint = await loadCheckpoint(path, { parts: ["model", "target"], reporter });
  const shapes = (all: Iterable<[string, { shape: Shape }]>) =>
    new Map(Array.from(all, ([name, { shape }]) => [name, shape]));
  const { weights, targetWeights } = maskJepaGraphs(stepOptions(settings));
  const declared = { model: weights.declarations, target: targetWeights };
  for (const part of ["model", "target"] as const) {
    // A frozen backbone is part of the stored model, but no input of the graph.
    const allowUnexpected = part === "model" ? [/^backbone\./] : [];
    matchWeights(shapes(declared[part]), shapes(checkpoint.tensors[part]), {
      source: `${checkpoint.path}, ${part}`,
      allowUnexpected,
    });
  }
  return checkpoint;
}

function qualityOf(
  step: number,
  crops: readonly NamedCrop[],
  { quality }: DrawnImages,
  skipped: readonly BadFile[],
): PredictionQuality {
  const { errors, reconstruction, meanError } = quality;
  const errorAndShare = (error: number | undefined) =>
    error === undefined ? {} : { error, explainedVariance: 1 - error / meanError };
  const images = crops.map(({ name: file }, i) => {
    const stem = basename(file, extname(file)).replace(/[^\p{L}\p{N}._-]+/gu, "_");
    return { file, picture: `${String(i + 1).padStart(3, "0")}-${stem}.png`, ...errorAndShare(errors[i]) };
  });
  return { step, ...errorAndShare(reconstruction), meanError, images, skipped };
}

async function writePictures(out: string, { rows }: DrawnImages, quality: PredictionQuality): Promise<void> {
  await makeFolder(out);
  for (const [i, row] of rows.entries())
    await writeFileAtomic(join(out, quality.images[i].picture), encodePng(stripOf(row)));
  await writeFileAtomic(join(out, "quality.json"), `${JSON.stringify(quality, null, 2)}\n`);
  await writeFileAtomic(join(out, "index.html"), pageOf(rows, quality));
}

function pageOf(
  rows: DrawnImages["rows"],
  { step, error, meanError, explainedVariance, images, skipped }: PredictionQuality,
): string {
  const share = (value: number | undefined) =>
    value === undefined ? "" : ` (${(100 * value).toFixed(0)} % of the variance explained)`;
  const facts: [string, string][] = [
    ["Checkpoint", `step ${step}`],
    ["Images", String(images.length)],
    ["Error of predicting the mean", meanError.toPrecision(3)],
  ];
  if (error !== undefined) facts.push(["Error of masked prediction", error.toPrecision(3) + share(explainedVariance)]);
  const gallery = rows.map(({ caption, cells }, i) => ({
    caption: caption + share(images[i].explainedVariance),
    cells,
  }));
  return renderReport({
    title: "Features before and after pretraining",
    facts,
    sections: [{ title: "Images", description: READING_PICTURES, gallery }],
    notes: skippedNotes(skipped),
  });
}
