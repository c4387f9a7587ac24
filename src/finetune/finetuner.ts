/** @file The fine-tuning step over a batch: forward, match, losses, backward (in micro-batches), then update. */

import { type Shape, sizeOf } from "../core/tensor-data.js";
import type { Target } from "../data/targets.js";
import { keepShape } from "../models/backbone.js";
import { drawKeepFactors } from "../models/drop-path.js";
import type { Mask2FormerOptions } from "../models/mask2former.js";
import type { Declaration } from "../nn/scope.js";
import { toOnnx } from "../onnx/emit.js";
import type { Runtime } from "../runtime/contract.js";
import { averageOf } from "../train/average.js";
import { Learner, type LearnerState, type OptimOptions } from "../train/learner.js";
import { NonFiniteError } from "../train/non-finite.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { NonFiniteImage, normalisersOf } from "./criterion.js";
import { type CriterionOptions, type CriterionShape, compileCriterion, predictionNames } from "./criterion-programs.js";
import { pointDraws } from "./draws.js";
import { Lane, type TrainingPrograms } from "./lane.js";
import type { PointDraws } from "./pair-sampler.js";
import { buildTraining, type TrainingGraphs } from "./programs.js";

export interface FinetunerOptions {
  readonly architecture: Mask2FormerOptions;
  readonly criterion: CriterionOptions;
  readonly optim: OptimOptions;
  /** Length of the whole run, which the schedule needs. */
  readonly steps: number;
  readonly seed: number;
  /** Images of an optimiser step, and of one forward and backward pass. */
  readonly batch: number;
  readonly microBatch: number;
  /** Network input, multiples of 32. */
  readonly size: readonly [height: number, width: number];
}

export interface StepReport {
  /** "loss", the weighted sum of all, then each by the reference's name: "loss_ce", "loss_mask_3", ... */
  readonly losses: Record<string, number>;
  /** Norm of the whole gradient before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
}

/** The part of a name before the number of the output. */
const kindOf = (loss: string) => loss.split("_")[1] as "ce" | "mask" | "dice";

export class Finetuner {
  private constructor(
    private readonly options: FinetunerOptions,
    private readonly graphs: TrainingGraphs,
    private readonly programs: TrainingPrograms,
    private readonly learner: Learner,
    private readonly lanes: readonly Lane[],
  ) {}

  /**
   * Builds and compiles the programs. `start` gives the values of all declared weights, and the moments when a run goes on.
   */
  static async create(
    runtime: Runtime,
    options: FinetunerOptions,
    start: (declared: ReadonlyMap<string, Declaration>) => Promise<LearnerState>,
  ): Promise<Finetuner> {
    const { architecture, batch, microBatch, size, optim, steps } = options;
    const graphs = buildTraining(architecture, microBatch, size);
    const initial = await start(graphs.parameters.declarations);
    const { queries, classes, layers } = architecture.transformerDecoder;
    const masks = graphs.forward.outputs.get(predictionNames(0).masks)?.shape as Shape;
    const shape: CriterionShape = {
      images: microBatch,
      queries,
      classes,
      outputs: layers + 1,
      size,
      maskSize: [masks[2], masks[3]],
    };
    const programs: TrainingPrograms = {
      forward: await runtime.compile(toOnnx(graphs.forward), { name: graphs.forward.name }),
      backward: await runtime.compile(toOnnx(graphs.backward), { name: graphs.backward.name }),
      criterion: await compileCriterion(runtime, shape, options.criterion),
    };
    const slots = Math.min(runtime.cores, batch / microBatch);
    const learner = await Learner.create(runtime, {
      declarations: graphs.parameters.declarations,
      trained: graphs.trained,
      averaged: new Set(),
      optim,
      steps,
      slots,
      initial,
    });
    const lanes = Array.from({ length: slots }, () => new Lane(runtime, graphs, programs, shape, options.criterion));
    return new Finetuner(options, graphs, programs, learner, lanes);
  }

  /**
   * One optimiser step over images [batch, 3, H, W] and their objects; `step` from 0. The result does not depend on the number
   * of lanes. `draws`: the random points, by default those of (seed, step).
   * @throws NonFiniteError, with nothing updated
   */
  async step(
    step: number,
    images: Float32Array,
    targets: readonly (readonly Target[])[],
    draws = (first: number): PointDraws => pointDraws(this.options.seed, step, first),
  ): Promise<StepReport> {
    const { batch, microBatch, architecture, criterion } = this.options;
    const count = batch / microBatch;
    const size = images.length / count;
    const { queries } = architecture.transformerDecoder;
    const counts = targets.map(({ length }) => length);
    const normalisers = normalisersOf(counts, queries, criterion.noObject);
    const reports = await this.learner.accumulate(count, async (i, slot, gradients) => {
      const first = i * microBatch;
      const part = {
        images: images.subarray(i * size, (i + 1) * size),
        targets: targets.slice(first, first + microBatch),
        keep: this.keepFactors(step, first),
        draws: draws(first),
        normalisers,
      };
      try {
        return await this.lanes[slot].run(part, this.learner.weights.online, gradients);
      } catch (error) {
        if (!(error instanceof NonFiniteImage)) throw error;
        throw new NonFiniteError(step + 1, error.what, first + error.image);
      }
    });
    const losses = this.sumOf(reports.map((report) => report.losses));
    // The losses of a micro-batch are over the normalisers of the batch: they, and their gradients, add up.
    const gradientNorm = await this.learner.gradientNorm(1);
    for (const [what, value] of [...Object.entries(losses), ["gradient norm", gradientNorm] as const]) {
      if (!Number.isFinite(value)) throw new NonFiniteError(step + 1, `the ${what} is ${value}`);
    }
    const learningRate = await this.learner.update(step, gradientNorm, { divisor: 1, tau: 0 });
    const statistics = averageOf(reports.map((report) => report.statistics));
    if (statistics) await this.learner.followStatistics(this.graphs.observed, statistics);
    return { losses, gradientNorm, learningRate };
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  state(): Promise<LearnerState> {
    return this.learner.state();
  }

  /** The weights as they are now, for evaluation between steps. */
  get weights(): TensorMap {
    return this.learner.weights.online;
  }

  dispose(): void {
    for (const lane of this.lanes) lane.dispose();
    this.learner.dispose();
    const { forward, backward, criterion } = this.programs;
    for (const program of [forward, backward, ...Object.values(criterion)]) program.dispose();
  }

  /** The factors of drop path of a micro-batch, a draw of its own for each image; undefined where nothing is dropped. */
  private keepFactors(step: number, first: number): Float32Array | undefined {
    const { architecture, microBatch, seed } = this.options;
    const { backbone } = architecture;
    const shape = keepShape(backbone, microBatch);
    if (!shape || backbone.kind !== "swin") return undefined;
    const factors = new Float32Array(sizeOf(shape));
    const each = factors.length / microBatch;
    for (let i = 0; i < microBatch; i++) {
      const part = factors.subarray(i * each, (i + 1) * each);
      drawKeepFactors({ seed, step, sample: first + i }, backbone.dropPath, part);
    }
    return factors;
  }

  /** Each loss added up over the micro-batches, and their weighted sum in front. */
  private sumOf(parts: readonly ReadonlyMap<string, number>[]): Record<string, number> {
    const { weights } = this.options.criterion;
    const weightOf = { ce: weights.class, mask: weights.mask, dice: weights.dice };
    const losses: Record<string, number> = { loss: 0 };
    for (const name of parts[0].keys()) {
      losses[name] = parts.reduce((sum, part) => sum + (part.get(name) as number), 0);
      losses.loss += weightOf[kindOf(name)] * losses[name];
    }
    return losses;
  }
}
