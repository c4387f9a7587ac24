/**
 * @file Supervised segmentation as an objective of the trainer: two halves of a step, and the criterion between them.
 */

import type { Grid } from "../core/tensor-data.js";
import { dropPathOf, KEEP } from "../families/drop-path.js";
import { type Architecture, familyOf, sizesOf } from "../families/families.js";
import type { ModelPart } from "../families/family.js";
import type { ClassFacts, DrawnBatch } from "../families/training.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { Program, Runtime } from "../runtime/contract.js";
import { LaneBuffers } from "../train/lane-buffers.js";
import type { Lane, MicroBatch, MicroBatchReport, Objective, StepWeights } from "../train/objective.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { Criterion, type CriterionPrograms, compileCriterion, type OutputLosses } from "./criterion.js";
import type { CriterionFrame, CriterionOptions, Normalisers, PointDraws } from "./criterion-options.js";
import { buildTraining, GRADIENT_PREFIX, IMAGES, STATISTICS, type TrainingGraphs } from "./programs.js";

export interface SegmentationOptions {
  readonly architecture: Architecture;
  readonly criterion: CriterionOptions;
  /** Images of one forward and backward pass. */
  readonly microBatch: number;
  /** Network input, multiples of 32. */
  readonly size: Grid;
  /** Parts of the model that do not train; a backbone among them is to have the form that inference has. */
  readonly frozen?: readonly ModelPart[];
}

export interface LabelledBatchOnDevice {
  /** [batch, 3, H, W] */
  readonly images: Float32Array;
  /** What the images are to be segmented into, and what else was drawn. */
  readonly drawn: DrawnBatch;
  /** By the names of the groups of predictions. */
  readonly normalisers: ReadonlyMap<string, Normalisers>;
  /** The points of the micro-batch whose first image has this number. */
  readonly draws: (first: number) => PointDraws;
}

/** Compiled once, shared by all lanes. */
interface Programs {
  readonly forward: Program;
  readonly backward: Program;
  readonly criterion: CriterionPrograms;
}

/** The same with the model as it trains for these classes. */
export async function fittedTo<T extends Pick<SegmentationOptions, "architecture">>(
  options: T,
  classes: readonly ClassFacts[],
): Promise<T> {
  const { architecture } = options;
  const fitted = await familyOf(architecture).training?.fit?.(architecture, classes);
  return fitted ? { ...options, architecture: fitted } : options;
}

/** The criterion of a model's predictions. */
export function criterionFrame(
  { architecture, microBatch, size }: SegmentationOptions,
  { maskSize }: Pick<TrainingGraphs, "maskSize">,
): CriterionFrame {
  const { comparison } = familyOf(architecture);
  return { images: microBatch, ...sizesOf(architecture), size, maskSize, comparison };
}

export class Segmentation implements Objective<LabelledBatchOnDevice> {
  readonly reduction = "sum";
  readonly dropPath;

  private constructor(
    private readonly runtime: Runtime,
    private readonly options: SegmentationOptions,
    private readonly graphs: TrainingGraphs,
    private readonly programs: Programs,
    private readonly frame: CriterionFrame,
  ) {
    this.dropPath = dropPathOf(options.architecture);
  }

  static async create(runtime: Runtime, options: SegmentationOptions): Promise<Segmentation> {
    const { architecture, criterion, microBatch, size, frozen } = options;
    const graphs = buildTraining(architecture, microBatch, size, frozen);
    const frame = criterionFrame(options, graphs);
    const queries = graphs.outputs.map((output) => output.queries);
    const programs: Programs = {
      forward: await compileGraph(runtime, graphs.forward),
      backward: await compileGraph(runtime, graphs.backward),
      criterion: await compileCriterion(runtime, frame, queries, criterion),
    };
    return new Segmentation(runtime, options, graphs, programs, frame);
  }

  get weights() {
    return this.graphs.weights;
  }

  /** The weight of each reported loss in the one that is minimised. */
  get lossWeights(): ReadonlyMap<string, number> {
    const { weights } = this.options.criterion;
    const ofOutputs = named(this.graphs.outputs.map(({ suffix }) => ({ suffix, ...weights })));
    return new Map([...ofOutputs, ...this.graphs.losses.map(({ name, weight }) => [name, weight] as const)]);
  }

  openLane(): Lane<LabelledBatchOnDevice> {
    return new SegmentationLane(this.runtime, this.options, this.graphs, this.programs, this.frame);
  }

  dispose(): void {
    const { forward, backward, criterion } = this.programs;
    for (const program of [forward, backward, ...Object.values(criterion)]) program.dispose();
  }
}

class SegmentationLane implements Lane<LabelledBatchOnDevice> {
  private readonly buffers: LaneBuffers;
  private readonly criterion: Criterion;

  constructor(
    runtime: Runtime,
    private readonly options: SegmentationOptions,
    private readonly graphs: TrainingGraphs,
    private readonly programs: Programs,
    frame: CriterionFrame,
  ) {
    const { forward, backward, weights, outputs } = graphs;
    const elsewhere = (name: string) => weights.declarations.has(name) || name.startsWith(GRADIENT_PREFIX);
    this.buffers = new LaneBuffers(runtime, [forward, backward], elsewhere);
    const supervised = outputs.map(({ group, objects, suffix, logits, masks, logitsGradient, masksGradient }) => ({
      group,
      objects,
      suffix,
      logits: this.buffers.get(logits),
      masks: this.buffers.get(masks),
      // The gradient of what only frozen parts made is read by nobody.
      logitsGradient: this.buffers.orLike(logitsGradient, logits),
      masksGradient: this.buffers.orLike(masksGradient, masks),
    }));
    this.criterion = new Criterion(runtime, programs.criterion, frame, supervised, options.criterion);
  }

  async run(
    { batch, first, keep }: MicroBatch<LabelledBatchOnDevice>,
    { online }: StepWeights,
    gradients: TensorMap,
  ): Promise<MicroBatchReport> {
    const { buffers } = this;
    const { forward, backward } = this.programs;
    const { microBatch, size } = this.options;
    const perImage = 3 * size[0] * size[1];
    const weightOf = (name: string) => online.get(name);
    await buffers.write(IMAGES, batch.images.subarray(first * perImage, (first + microBatch) * perImage));
    if (keep) await buffers.write(KEEP, keep);
    const { drawn, normalisers } = batch;
    for (const [name, values] of drawn.inputs(first, microBatch)) await buffers.write(name, values);
    await forward.run(buffers.bind(forward.inputs, weightOf), buffers.bind(forward.outputs));
    const part = <T>(images: readonly T[]) => images.slice(first, first + microBatch);
    const given = new Map([...drawn.given].map(([group, { queries }]) => [group, { queries: part(queries) }]));
    const losses = await this.criterion.run({ objects: part(drawn.objects), given }, normalisers, batch.draws(first));
    const own = await this.ownLosses(microBatch / drawn.objects.length);
    const fetches = Object.fromEntries([...gradients].map(([name, tensor]) => [GRADIENT_PREFIX + name, tensor]));
    await backward.run(buffers.bind(backward.inputs, weightOf), fetches);
    return {
      losses: new Map([...named(losses), ...own]),
      ...(buffers.has(STATISTICS) && { statistics: await buffers.read(STATISTICS) }),
    };
  }

  /**
   * The losses of the family's own as the `share` of the batch that the micro-batch is, and what their gradients begin
   * with.
   */
  private async ownLosses(share: number): Promise<[name: string, value: number][]> {
    const values: [string, number][] = [];
    for (const { name, weight, value, gradient } of this.graphs.losses) {
      await this.buffers.write(gradient, Float32Array.of(weight * share));
      values.push([name, share * (await this.buffers.read(value))[0]]);
    }
    return values;
  }

  dispose(): void {
    this.buffers.dispose();
    this.criterion.dispose();
  }
}

/** The losses by the official code's names: "loss_ce", "loss_mask_3". */
function named(outputs: readonly OutputLosses[]): Map<string, number> {
  const ofMasks = outputs.flatMap(({ suffix, mask, dice }) => [
    [`loss_mask${suffix}`, mask] as const,
    [`loss_dice${suffix}`, dice] as const,
  ]);
  return new Map([...ofMasks, ...outputs.map((output) => [`loss_ce${output.suffix}`, output.class] as const)]);
}
