/** @file `mask-jepa evaluate`: a data set and one or two checkpoints, from files to files. */

import { availableParallelism } from "node:os";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import type { Size } from "../core/image.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import { badFileOf } from "../data/datasets/data-fault.js";
import type { DataSet } from "../data/datasets/data-set.js";
import { openDataSet, openSplitOf } from "../data/datasets/open-data.js";
import type { LabelledSplit } from "../data/datasets/split.js";
import { warnOfOddRanges } from "../data/files/sample-ranges.js";
import { manifest } from "../io/manifest.js";
import type { Task } from "../masks/segmentation.js";
import { groupByPaddedSize, Predictor } from "../predict/predictor.js";
import { type LoadedModel, loadTrainedModel } from "../predict/trained-model.js";
import { tidyRun } from "../run/run-directory.js";
import { loggedMetrics } from "../run/run-log.js";
import type { Device } from "../runtime/contract.js";
import { createRuntime } from "../runtime/create-runtime.js";
import type { Report } from "../viz/report.js";
import { withClassesOf } from "./adopted-classes.js";
import { type EvaluatedModels, evaluateModels } from "./evaluate-models.js";
import { decidingTask, gives } from "./judged-source.js";
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
  /** What to judge of panoptic models; all that there are labels for if absent. */
  readonly tasks?: readonly Task[];
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
  const { data, root, checkpoints, split, tasks, limit, device, cores, signal, reporter = SILENT } = options;
  const loaded = await Promise.all(checkpoints.map((path) => loadTrainedModel(path, { part: options.part, reporter })));
  for (const [i, path] of checkpoints.entries()) if (isOfRun(loaded[i])) await tidyRun(runFolder(path));
  const source = await openJudged(await openDataSet(data, { root }), split, loaded[0].task, tasks);
  const trained = loaded.map((model, i) => withClassesOf(source, model, { where: checkpoints[i], reporter }));
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
      tasks,
      indices: evenlySpaced(source.length, limit),
      out: options.out ?? defaultOutput(checkpoints, split, isOfRun(trained[0])),
      facts: factsOf(trained, tasks),
      signal,
      reporter,
    });
  } finally {
    for (const predictor of predictors) await predictor.dispose();
    runtime.dispose();
  }
}

/** A split for the model's own task, or where it has no labels for that and is not asked to, for the one that is. */
function openJudged(dataSet: DataSet, split: string, own: Task, tasks: readonly Task[] = []): Promise<LabelledSplit> {
  const asked = tasks.length > 0 && gives(own, tasks[0]) && !tasks.includes(own);
  const task = asked && !dataSet.tasks(split).includes(own) ? decidingTask(tasks) : own;
  return openSplitOf(dataSet, split, task);
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
function factsOf(models: readonly LoadedModel[], tasks?: readonly Task[]): Report["facts"] {
  const judged = tasks ?? [models[0].task];
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
  if (judged.includes("instance")) {
    const of = each(({ topK, window }) => `the best ${topK} of ${window ? "each window" : "an image"}`);
    facts.push(["Objects", of]);
  }
  if (judged.includes("panoptic")) {
    const kept = each(
      ({ objectThreshold, overlapThreshold }) => `score ${objectThreshold}, overlap ${overlapThreshold}`,
    );
    facts.push(["Thresholds", kept]);
  }
  return [...facts, ["Version", `mask-jepa ${manifest().version}`]];
}
