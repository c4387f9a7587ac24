/** @file Folder in, folder out: `mask-jepa predict`. */

import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { type Reporter, type Task as Shown, SILENT } from "../../core/reporter.js";
import type { BadFile } from "../../data/source.js";
import { makeFolder } from "../../io/folder.js";
import { decode } from "../../io/image-file.js";
import type { Task } from "../../masks/segmentation.js";
import { listenForStop } from "../../run/stop-request.js";
import type { Device } from "../../runtime/contract.js";
import { createRuntime } from "../../runtime/create-runtime.js";
import { type Prediction, Predictor } from "../predictor.js";
import { type InferenceSettings, loadTrainedModel, type TrainedModel } from "../trained-model.js";
import { checkForms } from "../windows.js";
import { LABELS, OVERLAYS, type WrittenImage, writeImage } from "./image-files.js";
import { type ImageList, listImages, noneReadable } from "./image-list.js";
import { openOutput, PREDICTION_FILES } from "./output-directory.js";
import { lowConfidence, writeSummary } from "./summary.js";

/** Instances below this score are left out unless a threshold is given: a model gives `topK` of them for any image. */
const SCORE_THRESHOLD = 0.5;

export interface PredictOptions {
  /** Folder of a run, or of one of its checkpoints. */
  readonly checkpoint: string;
  readonly images: readonly string[];
  readonly out: string;
  /** Replace earlier predictions. */
  readonly overwrite?: boolean;
  /** The model's own task if none. */
  readonly forms?: readonly Task[];
  /** Instead of the model's `objectThreshold` and of 0.5 for instances. */
  readonly threshold?: number;
  readonly overlap?: number;
  readonly topK?: number;
  readonly device: Device;
  readonly cores: number;
  readonly reporter?: Reporter;
}

export interface FolderPrediction {
  /** Images that were segmented. */
  readonly count: number;
  readonly skipped: readonly BadFile[];
  /** What the user should know of the result. */
  readonly warnings: readonly string[];
  readonly page: string;
  readonly interrupted: boolean;
}

/**
 * Segments all images of folders and writes overlays, label maps, COCO files, `predictions.json` and `index.html`. Ctrl-C
 * finishes the images under way and writes the files of what is there.
 * @throws InputError for a checkpoint, images or an output folder that cannot be used
 */
export async function predictFolder(options: PredictOptions): Promise<FolderPrediction> {
  const { checkpoint, images: folders, out, overwrite = false, threshold, device, cores, reporter = SILENT } = options;
  const model = adjusted(await loadTrainedModel(checkpoint, reporter), options);
  const forms = new Set(options.forms ?? [model.task]);
  checkForms(forms, model.inference);
  const list = await listImages(folders, model.inference);
  const release = await openOutput(out, folders, overwrite);
  const stop = listenForStop(() => reporter.say("Finishing the images under way. Once more to quit at once."));
  try {
    await makeFolders(out, forms);
    const thresholds = { scoreThreshold: threshold ?? SCORE_THRESHOLD, ...model.inference };
    const runtime = await createRuntime({ device, cores });
    const predictor = await Predictor.create(runtime, model, { weights: model.weights });
    const task = reporter.begin("Segmenting", list.images.length);
    const work = { predictor, forms, out, stop, task, ...thresholds };
    const { written, skipped } = await predictAll(list, work).finally(() => task.end());
    await predictor.dispose();
    runtime.dispose();
    const allSkipped = [...list.skipped, ...skipped];
    if (written.length === 0 && !stop.requested) throw noneReadable(folders, allSkipped);
    const warnings = lowConfidence(written, thresholds);
    const complete = written.length + skipped.length === list.images.length;
    await writeSummary(out, { checkpoint, model, forms, written, skipped: allSkipped, warnings, complete, thresholds });
    const page = join(out, PREDICTION_FILES.page);
    return { count: written.length, skipped: allSkipped, warnings, page, interrupted: stop.requested };
  } finally {
    stop.dispose();
    release();
  }
}

function adjusted(model: TrainedModel, { threshold, overlap, topK }: PredictOptions): TrainedModel {
  const { objectThreshold, overlapThreshold } = model.inference;
  const inference: InferenceSettings = {
    ...model.inference,
    objectThreshold: threshold ?? objectThreshold,
    overlapThreshold: overlap ?? overlapThreshold,
    topK: topK ?? model.inference.topK,
  };
  return { ...model, inference };
}

async function makeFolders(out: string, forms: ReadonlySet<Task>): Promise<void> {
  for (const form of forms) {
    await makeFolder(join(out, PREDICTION_FILES[form], OVERLAYS));
    if (form !== "instance") await makeFolder(join(out, PREDICTION_FILES[form], LABELS));
  }
}

interface Work {
  readonly predictor: Predictor;
  readonly forms: ReadonlySet<Task>;
  readonly out: string;
  readonly scoreThreshold: number;
  readonly stop: { readonly requested: boolean };
  readonly task: Shown;
}

/** Images that the page shows. */
const SHOWN = 48;

/** Images under way besides those that are computed: being read, drawn and written. */
const AHEAD = 1;

/** All images, several at a time; results in the order of the folder. */
async function predictAll(
  { source, images, order }: ImageList,
  { predictor, forms, out, scoreThreshold, stop, task }: Work,
): Promise<{ written: WrittenImage[]; skipped: BadFile[] }> {
  const written = new Map<number, WrittenImage>();
  const skipped: BadFile[] = [];
  const waiting = [...order];
  let done = 0;
  const one = async (position: number) => {
    const listed = images[position];
    try {
      const image = await decode(await source.read(listed.index), listed.file);
      const prediction: Prediction = await predictor.predict(image, forms);
      const { classes } = predictor.model;
      const shown = position < SHOWN;
      const result = await writeImage(listed, image, prediction, { out, classes, scoreThreshold, shown });
      written.set(position, result);
    } catch (error) {
      if (!(error instanceof InputError) || error.problem.where !== listed.file) throw error;
      skipped.push({ file: listed.file, reason: error.problem.found });
    }
    task.update(++done);
  };
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined && !stop.requested; next = waiting.shift()) await one(next);
  };
  const workers = Array.from({ length: predictor.concurrency + AHEAD }, () =>
    worker().catch((error: unknown) => {
      waiting.length = 0;
      throw error;
    }),
  );
  // All have ended before the first failure is reported.
  const failed = (await Promise.allSettled(workers)).find(({ status }) => status === "rejected");
  if (failed) throw (failed as PromiseRejectedResult).reason;
  const results = [...written].sort(([a], [b]) => a - b).map(([, result]) => result);
  return { written: results, skipped };
}
