/** @file What weights can be written for. Each target is a file beside this one, and a row in `targets.ts`. */

import type { SavedModel } from "../checkpoint/formats/torch-writer.js";
import type { Layout, Software } from "../checkpoint/names/layouts.js";
import type { TensorData } from "../core/tensor-data.js";
import type { Form } from "./forms.js";
import type { ModelFacts } from "./model-facts.js";

export const TARGETS = ["canonical", "detectron2", "huggingface", "timm"] as const;
export type TargetName = (typeof TARGETS)[number];

export type Weights = ReadonlyMap<string, TensorData>;

/** Names of what pretraining alone has. */
export const PRETRAINING_ONLY = [/^mask_jepa\./];

/** The weights of a model in the form that a target builds it in. */
export interface Adapted {
  readonly weights: Weights;
  /** What is to be told about it. */
  readonly remark?: string;
}

/**
 * A program that weights are written for: the forms that it reads, its names for them, and what it wants beside them.
 */
export interface Target {
  readonly name: TargetName;
  /** The first is the usual one. */
  readonly reads: readonly Form[];
  /** Whose names the tensors get; their own if absent. */
  readonly software?: Software;
  /** What it calls the file of a form inside a folder, where that is not `model` with the usual suffix. */
  readonly fileNames?: Partial<Readonly<Record<Form, string>>>;
  /** Names of tensors that stay behind in any case: it has no place for them. */
  readonly dropped: readonly RegExp[];
  /**
   * A model as the target builds it: without what it has no use for, with what it wants beside. @throws InputError for
   * one with parts that it does not build
   */
  adapt?(weights: Weights, source: string): Adapted;
  /** Buffers that its own files hold beside the weights. `facts`: what is known of the model. */
  buffers?(weights: Weights, facts: ModelFacts): Weights;
  /**
   * Texts beside the weights in a folder, by the name of the file. @throws InputError for a model that it cannot
   * express
   */
  texts?(weights: Weights, source: string, facts: ModelFacts): ReadonlyMap<string, string>;
  /** What a PyTorch file or pickle holds beside the tensors; `layout` is that of their names. */
  saved?(weights: Weights, layout: Layout | undefined): SavedModel;
}
