/**
 * @file A model with its weights and everything that predicting with it needs, from a run or from published weights.
 */

import { matchWeights } from "../checkpoint/match-weights.js";
import { type ReadOptions, readWeights, type StoredWeights } from "../checkpoint/read-weights.js";
import { saveCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { SILENT } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { familyOf } from "../families/families.js";
import { announceWeights, type KnownModel, knownModel } from "../weights/known-model.js";
import { type ModelDescription, modelState } from "../weights/model-description.js";
import { BESIDE_WEIGHTS, originIn } from "../weights/starting-weights.js";
import { inferenceWeights } from "./model-graph.js";

/** A model with its weights. */
export interface TrainedModel extends ModelDescription {
  /** By the names of Mask2Former checkpoints. */
  readonly weights: ReadonlyMap<string, TensorData>;
}

export interface LoadedModel extends TrainedModel {
  /** Directory of the checkpoint, or the file. */
  readonly checkpoint: string;
  /** Optimiser steps that its run trained it for; undefined for published weights. */
  readonly step?: number;
  /** What nobody said of published weights, as `KnownModel` has it. */
  readonly assumed?: KnownModel["assumed"];
}

/**
 * A model that can predict: from a fine-tuning run (the newest checkpoint), one of its checkpoints, a file of weights
 * of any known format, a folder as Hugging Face saves it, or `hf:owner/name`. What a file does not say of its model is
 * taken from what lies beside it or from its family's defaults; the reporter is told which.
 * @throws InputError when there is none, or it is no whole model
 */
export async function loadTrainedModel(location: string, options: ReadOptions = {}): Promise<LoadedModel> {
  const { reporter = SILENT } = options;
  const stored = await readWeights(location, options);
  const known = await knownModel(stored);
  announceWeights(stored, known, { reporter });
  return trainedModelOf(stored, known);
}

/** The model that weights are. @throws InputError for those that cannot predict */
export function trainedModelOf(stored: StoredWeights, { description, assumed }: KnownModel): LoadedModel {
  const { location, run, path, shapes, report, tensors } = stored;
  if (!description) {
    throw new InputError({
      where: location,
      expected: "a fine-tuned model",
      found: run ? String(run.state.kind ?? "another checkpoint") : `${report.title}, which predicts nothing`,
      fix: run
        ? "Fine-tune it first: mask-jepa finetune --from RUN --data DATA."
        : `A model begins with it: mask-jepa finetune --from ${location} --data DATA, or pretrain --backbone ` +
          `${location}, whose run can be probed.`,
    });
  }
  if (!run) {
    const needed = inferenceWeights(description.architecture);
    const { trainingOnly = [] } = familyOf(description.architecture);
    const allowUnexpected = [...BESIDE_WEIGHTS, ...trainingOnly];
    const options = { source: path, allowUnexpected, originOf: originIn(stored), values: tensors };
    matchWeights(needed, shapes, options);
  }
  return { ...description, weights: tensors, checkpoint: path, ...(run ? { step: run.step } : { assumed }) };
}

/**
 * Saves a model after `step` optimiser steps as the one checkpoint of a folder, from where `loadTrainedModel` and the
 * command line take it.
 * @returns the checkpoint's directory
 * @throws InputError when there is no space or no permission
 */
export function saveTrainedModel(path: string, { weights, ...model }: TrainedModel, step: number): Promise<string> {
  return saveCheckpoint(path, { step, keep: 1, tensors: { model: weights }, state: modelState(model) });
}
