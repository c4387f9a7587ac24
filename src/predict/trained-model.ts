/**
 * @file A model with its weights and everything that predicting with it needs, as a fine-tuning checkpoint holds it.
 */

import type { JsonObject } from "../checkpoint/checkpoint.js";
import type { CriterionFacts } from "../checkpoint/huggingface-config.js";
import { loadCheckpoint, saveCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { type Architecture, isFamily, ofFamily } from "../families/families.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";

/** How images reach the network and what is kept of its output. */
export interface InferenceSettings {
  /** The shorter side of the resized image, in pixels, unless the longer one would exceed `longEdge`. */
  readonly shortEdge: number;
  readonly longEdge: number;
  /**
   * Side in pixels, after resizing, of the overlapping windows in which instances are predicted; 0 or absent: whole
   * images.
   */
  readonly window?: number;
  /** Panoptic: queries below this score are dropped. */
  readonly objectThreshold: number;
  /** Panoptic: a segment of which less than this share is left is dropped. */
  readonly overlapThreshold: number;
  /** Instances kept of an image, or of each of its windows. */
  readonly topK: number;
}

/** What describes a model besides its weights; plain data, stored in the checkpoint's state as it is. */
export interface ModelDescription {
  readonly task: Task;
  readonly classes: readonly SegmentationClass[];
  readonly architecture: Architecture;
  readonly inference: InferenceSettings;
  /** What it was trained by; absent where nobody knows. */
  readonly criterion?: CriterionFacts;
  /** Sample that was white in training images of more than 8 bits, where the data's description said so. */
  readonly whiteLevel?: number;
}

/** A model with its weights. */
export interface TrainedModel extends ModelDescription {
  /** By the names of Mask2Former checkpoints. */
  readonly weights: ReadonlyMap<string, TensorData>;
}

export interface LoadedModel extends TrainedModel {
  /** Directory of the checkpoint. */
  readonly checkpoint: string;
  /** Optimiser steps that it was trained for. */
  readonly step: number;
}

/** What the state of a checkpoint says of its model; undefined for a checkpoint that is no fine-tuned model's. */
export function describedModel(state: JsonObject): ModelDescription | undefined {
  const { model } = state as { model?: ModelDescription & { kind?: string } };
  if (!model) return undefined;
  // The name of the family stood elsewhere before there was a choice.
  const { kind, ...description } = model;
  const family = description.architecture.family ?? kind;
  return isFamily(family) ? { ...description, architecture: ofFamily(family, description.architecture) } : undefined;
}

/**
 * The newest checkpoint of a fine-tuning run, or the checkpoint whose directory is given.
 * @throws InputError when there is none, or it is no fine-tuned model
 */
export async function loadTrainedModel(path: string, reporter: Reporter = SILENT): Promise<LoadedModel> {
  const { path: checkpoint, step, tensors, state } = await loadCheckpoint(path, { parts: ["model"], reporter });
  const model = describedModel(state);
  if (!model) {
    throw new InputError({
      where: path,
      expected: "a fine-tuned model",
      found: String(state.kind ?? "another checkpoint"),
      fix: "Fine-tune it first: mask-jepa finetune --from RUN --data DATA.",
    });
  }
  return { ...model, weights: tensors.model, checkpoint, step };
}

/** What the state of a checkpoint says of a model, as `describedModel` reads it. */
export function modelState(model: ModelDescription, more: JsonObject = {}): JsonObject {
  return { kind: "mask-jepa fine-tuning", ...more, model: JSON.parse(JSON.stringify(model)) as JsonObject };
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
