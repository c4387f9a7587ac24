/** @file A run's weights for the original code and for other libraries. */

import { basename, dirname } from "node:path";
import type { ModelFacts } from "../checkpoint/huggingface-config.js";
import { derivedBuffers } from "../checkpoint/names/targets.js";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { type SavedWeights, saveWeights } from "../checkpoint/save-weights.js";
import type { OutputOptions } from "../checkpoint/weights-output.js";
import type { Reporter } from "../core/reporter.js";
import { familyOf } from "../families/families.js";
import { describedModel, type ModelDescription } from "./trained-model.js";

export interface ExportOptions extends Omit<OutputOptions, "inputs"> {
  /** Folder of a run, or of one of its checkpoints. */
  readonly checkpoint: string;
  readonly out: string;
  readonly leaveOut?: readonly RegExp[];
  readonly reporter?: Reporter;
}

/** Parts of a pretraining run that no other implementation has. */
const PRETRAINING_ONLY = [/^mask_jepa\./];

/** Norms of a Swin Transformer's outputs, for which timm's models have no place. */
const NOT_IN_TIMM = [/^backbone\.norm\d\./];

function factsOf({ classes, architecture, inference, criterion }: ModelDescription): ModelFacts {
  const { shortEdge, longEdge } = inference;
  const backbone = familyOf(architecture).backboneOf(architecture);
  return {
    classes: classes.map(({ name }) => name),
    heads: architecture.transformerDecoder.heads,
    points: architecture.pixelDecoder.points,
    normGroups: architecture.pixelDecoder.normGroups,
    shortEdge,
    longEdge,
    criterion,
    ...(backbone.kind === "swin" && { dropPath: backbone.dropPath }),
  };
}

/** The folder of a run's checkpoints; of a checkpoint that stands alone itself. */
const checkpointsAround = (path: string) => (basename(dirname(path)) === "checkpoints" ? dirname(path) : path);

/**
 * Writes the weights of a fine-tuned model, or the backbone and pixel decoder of a pretraining run, under a target's
 * names, with the buffers that the target's own files hold.
 * @throws InputError for a checkpoint that cannot be read, or a model that the target cannot express
 */
export async function exportModel(options: ExportOptions): Promise<SavedWeights> {
  const { checkpoint, to, form, overwrite, out, leaveOut = [], reporter } = options;
  const { path, tensors, state } = await loadCheckpoint(checkpoint, { parts: ["model"], reporter });
  const model = describedModel(state);
  const weights = tensors.model;
  const buffers =
    to === "detectron2" || to === "huggingface" ? derivedBuffers(weights, model?.criterion?.noObject) : [];
  const whole = new Map([...weights, ...buffers]);
  const facts = model ? factsOf(model) : {};
  return saveWeights(out, whole, {
    to,
    form,
    overwrite,
    inputs: [checkpointsAround(path)],
    source: checkpoint,
    facts,
    leaveOut,
    drop: to === "canonical" ? [] : to === "timm" ? NOT_IN_TIMM : PRETRAINING_ONLY,
  });
}
