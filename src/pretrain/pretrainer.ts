/** @file The training step of Mask-JEPA over a batch: target, context, predict, loss (in micro-batches), then update. */

import { InputError } from "../core/errors.js";
import type { TensorData } from "../core/tensor-data.js";
import type { Graph } from "../graph/graph.js";
import type { Declaration } from "../nn/scope.js";
import type { Runtime } from "../runtime/contract.js";
import { averageOf } from "../train/average.js";
import { Learner, type LearnerState, type Observed } from "../train/learner.js";
import { NonFiniteError } from "../train/non-finite.js";
import { linearRamp } from "../train/schedule.js";
import { compileGraph, Lane, type StepPrograms, type StepWeights } from "./lane.js";
import { type CollapseMonitors, collapseMonitors } from "./monitors.js";
import { buildFrozenBackbone, buildGradients, buildTarget, STATISTICS } from "./programs.js";
import type { PretrainSettings } from "./settings.js";
import { startingWeights } from "./starting-weights.js";

export interface StepReport {
  losses: Record<string, number>;
  /** Norm of the whole gradient before clipping. */
  gradientNorm: number;
  learningRate: number;
  tau: number;
  /** Mean cosine of online and target features. */
  cosine: number;
  /** On monitored steps. */
  monitors?: CollapseMonitors & { explainedVariance?: number };
}

const MOMENTS = ["target-mean", "target-gram"];
const LOSSES = ["loss", "reconstruction", "denoising"];

/** What a pretrainer is put together from. */
interface Parts {
  settings: PretrainSettings;
  /** Length of the whole run. */
  steps: number;
  learner: Learner;
  lanes: readonly Lane[];
  programs: StepPrograms;
  /** Names of the outputs that a micro-batch reports. */
  reports: readonly string[];
  /** Batch statistics in the order in which STATISTICS concatenates them. */
  observed: readonly Observed[];
}

export class Pretrainer {
  private constructor(private readonly parts: Parts) {}

  /**
   * Builds and compiles the programs, and starts from `state` or, without one, from the seed (and backbone weights).
   * `steps`: length of the whole run, which the schedules need.
   */
  static async create(
    runtime: Runtime,
    settings: PretrainSettings,
    steps: number,
    state?: LearnerState,
  ): Promise<Pretrainer> {
    const online = buildGradients(settings);
    const target = buildTarget(settings);
    const { declarations } = online.parameters;
    const initial = state ?? (await startingState(settings, declarations, target.parameters));
    const compile = (graph: Graph, frozenWeights = false) => compileGraph(runtime, graph, frozenWeights);
    const { frozen } = settings.backbone;
    const programs: StepPrograms = {
      backbone: frozen ? await compile(buildFrozenBackbone(settings, initial.model), true) : undefined,
      target: await compile(target.graph),
      gradients: await compile(online.graph),
    };
    const slots = Math.min(runtime.cores, settings.run.batch / settings.run.microBatch);
    const averaged = new Set(target.parameters.tensors.keys());
    const { trained, observed } = online;
    const { optim } = settings;
    const learner = await Learner.create(runtime, { declarations, trained, averaged, optim, steps, slots, initial });
    const statistics = observed.reduce((n, { size }) => n + size, 0);
    const reportShapes = new Map<string, readonly number[]>(
      online.reports.map((name) => [name, online.graph.outputs.get(name)?.shape ?? []]),
    );
    if (statistics > 0) reportShapes.set(STATISTICS, [statistics]);
    const lanes = Array.from({ length: slots }, () => new Lane(runtime, settings, programs, reportShapes));
    const reports = [...reportShapes.keys()];
    return new Pretrainer({ settings, steps, learner, lanes, programs, reports, observed });
  }

  /**
   * One optimiser step over images [batch, 3, H, W]; `step` from 0. The result does not depend on the number of lanes:
   * gradients are summed in the order of the micro-batches. Throws NonFiniteError, with nothing updated.
   */
  async step(step: number, images: Float32Array, monitored: boolean): Promise<StepReport> {
    const { settings, learner, lanes, observed } = this.parts;
    const { pretrain, run } = settings;
    const count = run.batch / run.microBatch;
    const size = images.length / count;
    const wanted = this.parts.reports.filter((name) => monitored || !MOMENTS.includes(name));
    const reports = await learner.accumulate(count, (i, slot, gradients) => {
      const part = images.subarray(i * size, (i + 1) * size);
      return lanes[slot].run(part, step, i * run.microBatch, learner.weights, { reports: wanted, gradients });
    });
    const mean = (name: string): Float32Array | undefined => averageOf(reports.map((report) => report.get(name)));
    const losses: Record<string, number> = {};
    for (const name of LOSSES) {
      const value = mean(name);
      if (value) losses[name] = value[0];
    }
    const gradientNorm = await learner.gradientNorm(count);
    for (const [what, value] of [...Object.entries(losses), ["gradient norm", gradientNorm] as const]) {
      if (!Number.isFinite(value)) throw new NonFiniteError(step + 1, `the ${what} is ${value}`);
    }
    const tau = linearRamp(pretrain.emaStart, pretrain.emaEnd, step, this.parts.steps);
    const learningRate = await learner.update(step, gradientNorm, { divisor: count, tau });
    const statistics = mean(STATISTICS);
    if (statistics) await learner.followStatistics(observed, statistics);
    const report: StepReport = {
      losses,
      gradientNorm,
      learningRate,
      tau,
      cosine: mean("cosine")?.[0] ?? Number.NaN,
    };
    if (monitored) {
      const [targetMean, gram] = MOMENTS.map((name) => mean(name) as Float32Array);
      const monitors = collapseMonitors({ mean: targetMean, gram });
      const explainedVariance =
        losses.reconstruction === undefined ? undefined : 1 - losses.reconstruction / monitors.meanError;
      report.monitors = { ...monitors, explainedVariance };
    }
    return report;
  }

  /** Everything that training has changed. On the CPU it is the memory itself, which changes with the next step. */
  state(): Promise<LearnerState> {
    return this.parts.learner.state();
  }

  /** The weights as they are now, for evaluation between steps. */
  get stepWeights(): StepWeights {
    return this.parts.learner.weights;
  }

  dispose(): void {
    for (const lane of this.parts.lanes) lane.dispose();
    this.parts.learner.dispose();
    for (const program of Object.values(this.parts.programs)) program?.dispose();
  }
}

/** The state before the first step: the target starts as a copy of the online encoder. */
async function startingState(
  settings: PretrainSettings,
  online: ReadonlyMap<string, Declaration>,
  target: { declarations: ReadonlyMap<string, Declaration> },
): Promise<LearnerState> {
  const model = await startingWeights(settings, online);
  const copied = [...target.declarations.keys()].map((name): [string, TensorData] => {
    const value = model.get(name);
    if (!value)
      throw new InputError({ where: name, expected: "an online counterpart of each target weight", found: "none" });
    return [name, value];
  });
  return { model, target: new Map(copied), optimizer: new Map() };
}
