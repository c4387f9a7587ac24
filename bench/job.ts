/** @file What the benchmark can time, and what both sides get of it. */

import type { TensorData } from "../src/core/tensor-data.js";
import type { FamilyName } from "../src/families/families.js";
import type { Declaration } from "../src/nn/scope.js";

export const BACKBONE_NAMES = ["resnet50", "swin-t"] as const;
export type BackboneName = (typeof BACKBONE_NAMES)[number];
export const BACKBONE_TITLES: Readonly<Record<BackboneName, string>> = { resnet50: "ResNet-50", "swin-t": "Swin-T" };

export interface Problem {
  job: JobName;
  family: FamilyName;
  backbone: BackboneName;
  /** Side of the square images. */
  size: number;
  /** Images of a step. */
  images: number;
  cores: number;
  /** Value of `run.recompute`: blocks that our side computes again instead of keeping them; without it the preset's. */
  recompute?: readonly string[];
  /** Safetensors file with all weights. */
  weights: string;
}

export const JOB_NAMES = ["pretrain", "finetune", "inference"] as const;
export type JobName = (typeof JOB_NAMES)[number];

export type Tensors = ReadonlyMap<string, TensorData>;
/** Numbers that both sides must agree on, by name. */
export type Values = Readonly<Record<string, number>>;

export interface Work {
  /** 1e9 floating-point operations of matrix products and convolutions. */
  gigaFlop: number;
  /** 1e9 bytes that the operators read and write, each for itself, as if there were no cache. */
  gigaByte: number;
}

export interface Tolerance {
  /** Of all values, before the first update. */
  readonly first: number;
  /** After updates, which magnify rounding: AdamW divides by small numbers. */
  readonly later: number;
  /** The values that are compared after updates; all without it. */
  readonly laterOnly?: readonly string[];
}

/** Our side, loaded. */
export interface Runner {
  /** Makes the inputs of a step ready, untimed. */
  load(inputs: Tensors, step: number): void;
  /** What is timed. */
  run(): Promise<void>;
  /** Of the last run. */
  values(): Values;
}

export interface Job {
  /** What a step of it is, for the table. */
  readonly title: string;
  /** Whether it is there for all families, or for Mask2Former alone. */
  readonly ofFamilies: boolean;
  /** Images of a step, where the option does not matter. */
  readonly images?: number;
  /** How far the values may differ, as a share of their own. */
  readonly tolerance: Tolerance;
  /** All weights, frozen ones included; they do not depend on the image size. */
  declarations(problem: Problem): Iterable<Declaration>;
  /** Changes the random starting values in place, where the job needs others. */
  adjust?(weights: ReadonlyMap<string, TensorData<"float32">>): void;
  /** What both sides get for a step. */
  batch(problem: Problem, step: number): Tensors | Promise<Tensors>;
  /**
   * Inputs of the batch that our side draws for itself: they are there for the peer, and never read into our memory.
   */
  readonly forPeer?: RegExp;
  /** Of one image; activations that are computed a second time count once. */
  work(problem: Problem): Work | Promise<Work>;
  start(problem: Problem): Promise<Runner>;
}
