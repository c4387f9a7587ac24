/** @file What is trained, as the trainer sees it: weights, and what one micro-batch says of them. */

import type { Declaration } from "../nn/scope.js";
import type { TensorMap } from "./parameter-layout.js";

/** A running statistic that follows the batch's. */
export interface Observed {
  readonly name: string;
  readonly size: number;
}

/** The weights of an objective by what training does to them. */
export interface ObjectiveWeights {
  /** Every parameter and buffer by name. */
  readonly declarations: ReadonlyMap<string, Declaration>;
  /** Names of those that get a gradient. */
  readonly trained: readonly string[];
  /** Names of those of which the target holds an average. */
  readonly averaged: ReadonlySet<string>;
  /** Running batch statistics, in the order in which a micro-batch reports the batch's. */
  readonly observed: readonly Observed[];
}

/** Weights in the memory of the device, by name; the target's without a prefix. */
export interface StepWeights {
  readonly online: TensorMap;
  readonly target: TensorMap;
}

/** Some images of a batch that are computed in one go. */
export interface MicroBatch<Batch> {
  readonly batch: Batch;
  /** Number of the step, from 0. */
  readonly step: number;
  /** Number of its first image in the batch. */
  readonly first: number;
  /** Factors of drop path, where the backbone has it. */
  readonly keep?: Float32Array;
}

/** What a micro-batch says of itself. */
export interface MicroBatchReport {
  /** By name. */
  readonly losses: ReadonlyMap<string, number>;
  /** Anything else, by name. */
  readonly values?: ReadonlyMap<string, Float32Array>;
  /** Batch statistics, one after another in the order of `ObjectiveWeights.observed`. */
  readonly statistics?: Float32Array;
}

/** One micro-batch in flight, with buffers of its own. */
export interface Lane<Batch> {
  /** Leaves the gradients in `gradients`, by the names of the trained weights. @throws NonFiniteImage */
  run(microBatch: MicroBatch<Batch>, weights: StepWeights, gradients: TensorMap): Promise<MicroBatchReport>;
  dispose(): void;
}

export interface Objective<Batch> {
  readonly weights: ObjectiveWeights;
  /**
   * Drop path of the backbone: factors of one image [blocks, 2] and the largest rate; undefined where nothing is
   * dropped.
   */
  readonly dropPath?: { readonly blocks: number; readonly rate: number };
  /**
   * How micro-batches make up the batch. "mean": each is a mean over its images, and the batch is the mean of them.
   * "sum": each is already divided by the normalisers of the whole batch, and they add up.
   */
  readonly reduction: "mean" | "sum";
  openLane(): Lane<Batch>;
  /** Gives the programs back; the lanes are disposed of by who opened them. */
  dispose(): void;
}
