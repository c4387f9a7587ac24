/** @file Fine-tuning step by step: the segmentation objective in a trainer. */

import { familyOf, sizesOf } from "../families/families.js";
import { type ClassFacts, type DrawnBatch, undrawn } from "../families/training.js";
import type { Target, Task } from "../masks/segmentation.js";
import type { Declaration } from "../nn/scope.js";
import type { Runtime } from "../runtime/contract.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { Trainer, type TrainerOptions, type TrainerReport } from "../train/trainer.js";
import type { TrainingState } from "../train/training-state.js";
import { type Normalisers, normalisersOf, normalisersOfGiven, type PointDraws } from "./criterion-options.js";
import { pointDraws } from "./draws.js";
import { fittedTo, type LabelledBatchOnDevice, Segmentation, type SegmentationOptions } from "./segmentation.js";

export interface FinetunerOptions extends SegmentationOptions, TrainerOptions {
  /** Of the data, as many as the architecture has. */
  readonly classes: readonly ClassFacts[];
  /** What the data's labels are for. */
  readonly task: Task;
}

export interface StepReport extends Pick<TrainerReport, "gradientNorm" | "learningRate"> {
  /** "loss", the weighted sum of all, then each by the official code's name: "loss_ce", "loss_mask_3", ... */
  readonly losses: Record<string, number>;
}

/** Fine-tunes a model step by step; what a step reads and in which order is up to the caller. */
export class Finetuner {
  private constructor(
    private readonly options: FinetunerOptions,
    private readonly trainer: Trainer<LabelledBatchOnDevice>,
    /** Weight of each loss in the one that is minimised. */
    private readonly weightOf: ReadonlyMap<string, number>,
  ) {}

  /**
   * Builds and compiles the programs. `start` gives the values of all declared weights, and the moments when a run goes
   * on.
   */
  static async create(
    runtime: Runtime,
    given: FinetunerOptions,
    start: (declared: ReadonlyMap<string, Declaration>) => Promise<TrainingState>,
  ): Promise<Finetuner> {
    const options = await fittedTo(given, given.classes);
    const objective = await Segmentation.create(runtime, options);
    const initial = await start(objective.weights.declarations);
    const trainer = await Trainer.create(runtime, objective, options, initial);
    return new Finetuner(options, trainer, objective.lossWeights);
  }

  /**
   * One optimiser step over images [batch, 3, H, W] and their objects; `step` from 0. The result does not depend on the
   * number of lanes. `draws`: the random points, by default those of (seed, step).
   * @throws NonFiniteError, with nothing updated
   */
  async step(
    step: number,
    images: Float32Array,
    targets: readonly (readonly Target[])[],
    draws = (first: number): PointDraws => pointDraws(this.options.seed, step, first),
  ): Promise<StepReport> {
    const drawn = await this.draw(step, targets);
    const batch = { images, drawn, normalisers: this.normalisers(drawn), draws };
    const { losses, gradientNorm, learningRate } = await this.trainer.step(step, batch);
    const loss = [...this.weightOf].reduce((sum, [name, weight]) => sum + weight * losses[name], 0);
    return { losses: { loss, ...losses }, gradientNorm, learningRate };
  }

  /** What a step draws besides the points of its losses: nothing for most families. */
  private async draw(step: number, objects: readonly (readonly Target[])[]): Promise<DrawnBatch> {
    const { architecture, classes, task, seed, size } = this.options;
    const { training } = familyOf(architecture);
    return training?.draw(architecture, { seed, step, objects, classes, task, size }) ?? undrawn({ objects });
  }

  private normalisers({ objects, given }: DrawnBatch): Map<string, Normalisers> {
    const { architecture, criterion } = this.options;
    const counts = objects.map(({ length }) => length);
    const matched = normalisersOf(counts, sizesOf(architecture).queries, criterion.noObject);
    const ofGiven = [...given].map(
      ([group, queries]) => [group, normalisersOfGiven(counts, queries, criterion.noObject)] as const,
    );
    return new Map([["", matched], ...ofGiven]);
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  state(): Promise<TrainingState> {
    return this.trainer.state();
  }

  /** The weights as they are now, for evaluation between steps. */
  get weights(): TensorMap {
    return this.trainer.weights.online;
  }

  dispose(): void {
    this.trainer.dispose();
  }
}
