/** @file What describes a model besides its weights, and how the checkpoint of a run holds it. */

import type { JsonObject } from "../checkpoint/checkpoint.js";
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

/** How a model was trained. */
export interface CriterionFacts {
  /** Of the losses and of the matching. */
  readonly weights: { readonly class: number; readonly mask: number; readonly dice: number };
  /** Weight of "no object" in the classification loss. */
  readonly noObject: number;
  /** Points of the mask losses, candidates for the uncertain ones as a multiple, and the share of these. */
  readonly points?: number;
  readonly oversampling?: number;
  readonly importance?: number;
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

/** What the state of a checkpoint says of a model, as `describedModel` reads it. */
export function modelState(described: ModelDescription, more: JsonObject = {}): JsonObject {
  const { task, classes, architecture, inference, criterion, whiteLevel } = described; // and nothing else that it has
  const model: ModelDescription = { task, classes, architecture, inference, criterion, whiteLevel };
  return { kind: "mask-jepa fine-tuning", ...more, model: JSON.parse(JSON.stringify(model)) as JsonObject };
}
