/** @file Folder in, folder out: `mask-jepa predict`. */

import { join } from "node:path";
import { InputError } from "../../core/errors.js";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { plural } from "../../core/text.js";
import { warnOfOddRanges } from "../../data/sample-ranges.js";
import { type BadFile, decodeImage } from "../../data/source.js";
import { makeFolder } from "../../io/folder.js";
import { withSpool } from "../../io/spool.js";
import type { Task } from "../../masks/segmentation.js";
import { listenForStop } from "../../run/stop-request.js";
import type { Device } from "../../runtime/contract.js";
import { createRuntime } from "../../runtime/create-runtime.js";
import { type NothingKept, watchNothingKept } from "../nothing-kept.js";
import { Predictor } from "../predictor.js";
import { type InferenceSettings, loadTrainedModel, type TrainedModel } from "../trained-model.js";
import { checkForms } from "../windows.js";
import { LABELS, OVERLAYS, writeImage } from "./image-files.js";
import { type ImageList, listImages, noneReadable } from "./image-list.js";
import { inOutputDirectory, PREDICTION_FILES } from "./output-directory.js";
import { Results } from "./results.js";
import { writeSummary } from "./summary.js";

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
  /** Sample that is white in images of more than 8 bits; default that of the model's training. */
  readonly whiteLevel?: number;
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
  const { checkpoint, images, out, overwrite = false, threshold, device, cores, reporter = SILENT } = options;
  reporter.say(`Loading ${checkpoint}`);
  const model = adjusted(await loadTrainedModel(checkpoint, reporter), options);
  const forms = new Set(options.forms ?? [model.task]);
  checkForms(forms, model.inference);
  const white = { value: options.whiteLevel ?? model.whiteLevel, setting: "--white-level" };
  const list = await listImages(images, model.inference, { white, reporter });
  await warnOfOddRanges(list.source, reporter);
  const rules = { scoreThreshold: threshold ?? SCORE_THRESHOLD, ...rulesOf(model) };
  const runtime = await createRuntime({ device, cores });
  const predictor = await Predictor.create(runtime, model, { weights: model.weights });
  try {
    return await inOutputDirectory(out, { images, overwrite }, (keep) =>
      withSpool(join(out, "results"), async (spool) => {
        await makeFolders(out, forms);
        const results = new Results(spool);
        const nothingKept = watchNothingKept("predict", rules);
        const work = { predictor, forms, out, results, nothingKept, reporter, scoreThreshold: rules.scoreThreshold };
        const { skipped, interrupted } = await predictAll(list, work);
        const allSkipped = [...list.skipped, ...skipped];
        if (results.count === 0 && !interrupted) throw noneReadable(images, allSkipped);
        keep();
        const warnings = nothingKept.warnings();
        const complete = results.count + skipped.length === list.images.length;
        await writeSummary(out, { checkpoint, model, forms, results, skipped: allSkipped, warnings, complete, rules });
        return {
          count: results.count,
          skipped: allSkipped,
          warnings,
          page: join(out, PREDICTION_FILES.page),
          interrupted,
        };
      }),
    );
  } finally {
    await predictor.dispose();
    runtime.dispose();
  }
}

const rulesOf = ({ inference: { objectThreshold, overlapThreshold } }: TrainedModel) => ({
  objectThreshold,
  overlapThreshold,
});

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
  readonly results: Results;
  readonly nothingKept: NothingKept;
  readonly reporter: Reporter;
}

/** Images that the page shows. */
const SHOWN = 48;

/** Images under way besides those that are computed: being read, drawn and written. */
const AHEAD = 1;

/** All images, several at a time, until a signal comes. What is said of them goes to the results. */
async function predictAll(
  { source, images, order, sizes }: ImageList,
  { predictor, forms, out, scoreThreshold, results, nothingKept, reporter }: Work,
): Promise<{ skipped: BadFile[]; interrupted: boolean }> {
  const { classes, task } = predictor.model;
  const skipped: BadFile[] = [];
  const one = async (place: number) => {
    const listed = images[place];
    try {
      const image = await decodeImage(source, listed.index);
      const prediction = await predictor.predict(image, forms);
      const options = { out, classes, scoreThreshold, shown: place < SHOWN };
      const written = await writeImage(listed, image, prediction, options);
      const { instances, bestScore = 0 } = written.record;
      nothingKept.add(prediction, instances === undefined ? undefined : { count: instances, bestScore });
      await results.add(place, written);
    } catch (error) {
      if (!(error instanceof InputError) || error.problem.where !== listed.file) throw error;
      skipped.push({ file: listed.file, reason: error.problem.found });
    }
  };
  reporter.say(
    `${plural(images.length, "image")} for a ${task} model, compiled once for each of ${plural(sizes, "size")}`,
  );
  const shown = reporter.begin("Segmenting", images.length);
  const stop = listenForStop(() => reporter.say("Finishing the images under way. Once more to quit at once."));
  const waiting = [...order];
  let done = 0;
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined && !stop.requested; next = waiting.shift()) {
      shown.update(done);
      await one(next);
      shown.update(++done);
    }
  };
  try {
    const workers = Array.from({ length: predictor.concurrency + AHEAD }, () =>
      worker().catch((error: unknown) => {
        waiting.length = 0;
        throw error;
      }),
    );
    // All have ended before the first failure is reported.
    const failed = (await Promise.allSettled(workers)).find(({ status }) => status === "rejected");
    if (failed) throw (failed as PromiseRejectedResult).reason;
    return { skipped, interrupted: stop.requested };
  } finally {
    shown.end();
    stop.dispose();
  }
}
