/** @file Pretraining step by step: the objective in a trainer, and the monitors of collapse. */

import type { TensorData } from "../core/tensor-data.js";
import { varianceRank } from "../features/effective-rank.js";
import type { Declaration } from "../nn/scope.js";
import type { Runtime } from "../runtime/contract.js";
import type { StepWeights } from "../train/objective.js";
import { Trainer, type TrainerOptions } from "../train/trainer.js";
import type { TrainingState } from "../train/training-state.js";
import { MaskJepa, type PretrainBatch } from "./mask-jepa.js";
import { averageDecay } from "./method.js";
import { type CollapseMonitors, collapseMonitors } from "./monitors.js";
import { COSINE, LAST_MOMENTS, MOMENTS, type StepOptions } from "./programs.js";

export interface PretrainerOptions extends Omit<TrainerOptions, "microBatch"> {
  readonly step: StepOptions;
  /** tau of the target's average, linear over the run. */
  readonly average: { readonly start: number; readonly end: number };
}

export interface StepReport {
  losses: Record<string, number>;
  /** Norm of the whole gradient before clipping. */
  gradientNorm: number;
  learningRate: number;
  tau: number;
  /** Mean cosine of online and target features. */
  cosine: number;
  /** On monitored steps. */
  monitors?: CollapseMonitors & {
    /** Effective rank of the covariance of F_last. */
    lastRank: number;
    explainedVariance?: number;
  };
}

/** Where the weights come from: values of all that is declared, and of a backbone that is frozen. */
export type StartingValues = (declared: ReadonlyMap<string, Declaration>) => Promise<Map<string, TensorData>>;

/** Pretrains a model step by step; what a step reads and in which order is up to the caller. */
export class Pretrainer {
  private constructor(
    private readonly options: PretrainerOptions,
    private readonly trainer: Trainer<PretrainBatch>,
  ) {}

  /**
   * Builds and compiles the programs, and goes on from a state, or begins with weights that the target starts as a copy
   * of.
   */
  static async create(
    runtime: Runtime,
    options: PretrainerOptions,
    start: TrainingState | StartingValues,
  ): Promise<Pretrainer> {
    let initial: TrainingState | undefined;
    const objective = await MaskJepa.create(runtime, options.step, options.seed, async (online, target) => {
      initial = typeof start === "function" ? beginning(await start(online), target) : start;
      return initial.model;
    });
    const trainerOptions = { ...options, microBatch: options.step.images };
    const trainer = await Trainer.create(runtime, objective, trainerOptions, initial as TrainingState);
    return new Pretrainer(options, trainer);
  }

  /**
   * One optimiser step over images [batch, 3, H, W]; `step` from 0. The result does not depend on the number of lanes.
   * @throws NonFiniteError, with nothing updated
   */
  async step(step: number, images: Float32Array, monitored: boolean): Promise<StepReport> {
    const { average, steps } = this.options;
    const tau = averageDecay(step, steps, average);
    const { losses, values, gradientNorm, learningRate } = await this.trainer.step(step, { images, monitored }, tau);
    const value = (name: string) => values.get(name) as Float32Array;
    const report: StepReport = { losses, gradientNorm, learningRate, tau, cosine: value(COSINE)[0] };
    if (monitored) {
      const moments = ([mean, gram]: readonly [string, string]) => ({ mean: value(mean), gram: value(gram) });
      const monitors = collapseMonitors(moments(MOMENTS));
      const lastRank = varianceRank(moments(LAST_MOMENTS));
      const { reconstruction } = losses;
      const explainedVariance = reconstruction === undefined ? undefined : 1 - reconstruction / monitors.meanError;
      report.monitors = { ...monitors, lastRank, explainedVariance };
    }
    return report;
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  state(): Promise<TrainingState> {
    return this.trainer.state();
  }

  /** The weights as they are now, for evaluation between steps. */
  get weights(): StepWeights {
    return this.trainer.weights;
  }

  dispose(): void {
    this.trainer.dispose();
  }
}

/** Step 1: the target is a copy of the online weights that it has too. */
function beginning(model: Map<string, TensorData>, target: ReadonlyMap<string, Declaration>): TrainingState {
  const copies = [...target.keys()].map((name) => [name, model.get(name) as TensorData] as const);
  return { model, target: new Map(copies), optimizer: new Map() };
}
