/** @file Images in, a folder of predictions out: `mask-jepa predict`. */

import { join } from "node:path";
import { type Reporter, SILENT } from "../../core/reporter.js";
import { warnOfOddRanges } from "../../data/files/sample-ranges.js";
import type { BadFile } from "../../data/source.js";
import { withSpool } from "../../io/spool.js";
import type { Task } from "../../masks/segmentation.js";
import type { Device } from "../../runtime/contract.js";
import { createRuntime } from "../../runtime/create-runtime.js";
import type { InferenceSettings } from "../../weights/model-description.js";
import { watchNothingKept } from "../nothing-kept.js";
import { Predictor } from "../predictor.js";
import { type LoadedModel, loadTrainedModel, type TrainedModel } from "../trained-model.js";
import { checkForms } from "../windows.js";
import type { Findings } from "./findings.js";
import type { ImageRecord } from "./image-files.js";
import { listImages, noneReadable } from "./image-list.js";
import { inOutputDirectory, makeFormFolders, type Place, PREDICTION_FILES, placesOf } from "./output-directory.js";
import { predictImages } from "./predict-images.js";
import { Results } from "./results.js";
import { writeSummary } from "./summary.js";

/** Instances below this score are left out unless a threshold is given: a model gives `topK` of them for any image. */
const SCORE_THRESHOLD = 0.5;

export interface PredictOptions {
  /** What `loadTrainedModel` takes. */
  readonly checkpoint: string;
  /** Which of several models there. */
  readonly part?: string;
  /** Files, folders and patterns. */
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
  /** What else was written: folders and files, by what they are. */
  readonly places: readonly Place[];
  /** What was found, where there was one image. */
  readonly findings?: Findings;
  readonly interrupted: boolean;
}

/**
 * Segments images and writes overlays, label maps, COCO files, `predictions.json` and `index.html`. Ctrl-C
 * finishes the images under way and writes the files of what is there.
 * @throws InputError for a checkpoint, images or an output folder that cannot be used
 */
export async function predictFolder(options: PredictOptions): Promise<FolderPrediction> {
  const { checkpoint, images, out, overwrite = false, threshold, device, cores, reporter = SILENT } = options;
  const model = adjusted(await loadTrainedModel(checkpoint, { part: options.part, reporter }), options);
  const forms = new Set(options.forms ?? [model.task]);
  checkForms(forms, model.inference);
  const white = { value: options.whiteLevel ?? model.whiteLevel, setting: "--white-level" };
  const list = await listImages(images, model.inference, { white, reporter });
  await warnOfOddRanges(list.source, reporter);
  const rules = { scoreThreshold: threshold ?? SCORE_THRESHOLD, ...rulesOf(model) };
  const runtime = await createRuntime({ device, cores });
  const predictor = await Predictor.create(runtime, model, { weights: model.weights });
  try {
    return await inOutputDirectory(out, { imageFolders: list.source.folders, overwrite }, (keep) =>
      withSpool(join(out, "results"), async (spool) => {
        await makeFormFolders(out, forms);
        const results = new Results(spool);
        const nothingKept = watchNothingKept("predict", rules);
        const { skipped, findings, interrupted } = await predictImages(list, {
          predictor,
          forms,
          out,
          scoreThreshold: rules.scoreThreshold,
          reporter,
          async take(place, prediction, written) {
            keep();
            nothingKept.add(prediction, keptInstances(written.record));
            await results.add(place, written);
          },
        });
        const allSkipped = [...list.skipped, ...skipped];
        if (results.count === 0 && !interrupted) throw noneReadable(images, allSkipped);
        const warnings = nothingKept.warnings();
        const complete = results.count + skipped.length === list.images.length;
        await writeSummary(out, { checkpoint, model, forms, results, skipped: allSkipped, warnings, complete, rules });
        return {
          count: results.count,
          skipped: allSkipped,
          warnings,
          page: join(out, PREDICTION_FILES.page),
          places: placesOf(out, forms),
          findings,
          interrupted,
        };
      }),
    );
  } finally {
    await predictor.dispose();
    runtime.dispose();
  }
}

const keptInstances = ({ instances, bestScore = 0 }: ImageRecord) =>
  instances === undefined ? undefined : { count: instances, bestScore };

const rulesOf = ({ inference: { objectThreshold, overlapThreshold } }: TrainedModel) => ({
  objectThreshold,
  overlapThreshold,
});

function adjusted(model: LoadedModel, { threshold, overlap, topK }: PredictOptions): LoadedModel {
  const { objectThreshold, overlapThreshold } = model.inference;
  const inference: InferenceSettings = {
    ...model.inference,
    objectThreshold: threshold ?? objectThreshold,
    overlapThreshold: overlap ?? overlapThreshold,
    topK: topK ?? model.inference.topK,
  };
  return { ...model, inference };
}
