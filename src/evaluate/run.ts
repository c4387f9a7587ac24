/** @file `mask-jepa evaluate`: a data set and one or two checkpoints, from files to files. */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import type { Size } from "../core/image.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { badFileOf } from "../data/datasets/data-fault.js";
import { openLabelledSource } from "../data/datasets/open-data.js";
import type { LabelledSplit } from "../data/datasets/split.js";
import { warnOfOddRanges } from "../data/files/sample-ranges.js";
import { manifest } from "../io/manifest.js";
import { groupByPaddedSize, Predictor } from "../predict/predictor.js";
import { type LoadedModel, loadTrainedModel } from "../predict/trained-model.js";
import { tidyRun } from "../run/run-directory.js";
import { loggedMetrics } from "../run/run-log.js";
import type { Device } from "../runtime/contract.js";
import { createRuntime } from "../runtime/create-runtime.js";
import type { Report } from "../viz/report.js";
import { type EvaluatedModels, evaluateModels } from "./evaluate-models.js";
import { defaultOutput, runFolder } from "./output.js";
import { evenlySpaced } from "./selection.js";

export interface EvaluationRunOptions {
  /** A folder in a known layout, or a YAML file that describes one. */
  readonly data: string;
  /** The data's folder, in place of the one that the YAML file names. */
  readonly root?: string;
  /** One, or two to compare, of what `loadTrainedModel` takes. */
  readonly checkpoints: readonly string[];
  /** Which of several models there. */
  readonly part?: string;
  readonly split: string;
  /** At most so many images, evenly spaced over the split. */
  readonly limit?: number;
  /** Folder for the files; one in the first run's folder, or here, if absent. */
  readonly out?: string;
  readonly device: Device;
  /** 0 for all. */
  readonly cores: number;
  readonly signal?: AbortSignal;
  readonly reporter?: Reporter;
}

/**
 * Evaluates checkpoints on a split and writes `evaluation.json` and `evaluation.html`.
 * @throws InputError when data or checkpoints cannot be read, or do not fit together
 */
export async function runEvaluation(options: EvaluationRunOptions): Promise<EvaluatedModels> {
  const { data, root, checkpoints, split, limit, device, cores, signal, reporter = SILENT } = options;
  const trained = await Promise.all(
    checkpoints.map((path) => loadTrainedModel(path, { part: options.part, reporter })),
  );
  for (const [i, path] of checkpoints.entries()) if (isOfRun(trained[i])) await tidyRun(runFolder(path));
  const [{ task }] = trained;
  const source = await openLabelledSource(data, { task, split, root });
  await source.openForms();
  await warnOfOddRanges(source, reporter);
  const runtime = await createRuntime({ device, cores: cores || availableParallelism() });
  const predictors: Predictor[] = [];
  try {
    for (const model of trained) predictors.push(await Predictor.create(runtime, model, { weights: model.weights }));
    return await evaluateModels({
      source,
      data: { path: data, split, images: source.length, faults: source.faults.map(badFileOf) },
      models: trained.map((model, i) => ({
        checkpoint: checkpoints[i],
        step: model.step,
        log: isOfRun(model) ? loggedMetrics(join(model.checkpoint, "..", ".."), model.step) : undefined,
        description: model,
        predict: (image, forms) => predictors[i].predict(image, forms),
        underWay: predictors[i].concurrency + 1,
        order: (indices) => byPaddedSize(source, indices, model),
      })),
      indices: evenlySpaced(source.length, limit),
      out: options.out ?? defaultOutput(checkpoints, split, isOfRun(trained[0])),
      facts: factsOf(trained),
      signal,
      reporter,
    });
  } finally {
    for (const predictor of predictors) await predictor.dispose();
    runtime.dispose();
  }
}

/** Weights of other origin have no run, whose folder could take files and whose log could be read. */
const isOfRun = (model: LoadedModel): model is LoadedModel & { readonly step: number } => model.step !== undefined;

/** Images in the order in which a model compiles each network once; one whose size cannot be read comes last. */
async function byPaddedSize(
  source: LabelledSplit,
  indices: readonly number[],
  { inference }: LoadedModel,
): Promise<readonly number[]> {
  const known: (Size & { index: number })[] = [];
  const unknown: number[] = [];
  for (const index of indices) {
    try {
      known.push({ index, ...(await source.size(index)) });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      unknown.push(index);
    }
  }
  const order = groupByPaddedSize(known, inference).flat();
  return [...order.map((i) => known[i].index), ...unknown];
}

/** How the models were asked, for the head of the page; of two models both, where they differ. */
function factsOf(models: readonly LoadedModel[]): Report["facts"] {
  const [{ task }] = models;
  const each = (text: (settings: LoadedModel["inference"]) => string) =>
    [...new Set(models.map(({ inference }) => text(inference)))].join("; ");
  const facts: Report["facts"] = [
    [
      "Input",
      each(({ shortEdge, longEdge, window }) => {
        const resized = `shorter side ${shortEdge} pixels, longer at most ${longEdge}`;
        return window ? `${resized}, in windows of ${window}` : resized;
      }),
    ],
  ];
  if (task === "instance") {
    const of = each(({ topK, window }) => `the best ${topK} of ${window ? "each window" : "an image"}`);
    facts.push(["Objects", of]);
  }
  if (task === "panoptic") {
    const kept = each(
      ({ objectThreshold, overlapThreshold }) => `score ${objectThreshold}, overlap ${overlapThreshold}`,
    );
    facts.push(["Thresholds", kept]);
  }
  return [...facts, ["Version", `mask-jepa ${manifest().version}`]];
}
