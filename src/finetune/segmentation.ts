/**
 * @file Supervised segmentation as an objective of the trainer: two halves of a step, and the criterion between them.
 */

import { dropPathOf, KEEP } from "../families/drop-path.js";
import { familyOf, sizesOf } from "../families/families.js";
import type { ClassFacts, DrawnBatch } from "../families/training.js";
import type { Runtime } from "../runtime/contract.js";
import type { LaneBuffers } from "../train/lane-buffers.js";
import type { Lane, MicroBatch, MicroBatchReport, Objective, StepWeights } from "../train/objective.js";
import type { TensorMap } from "../train/parameter-layout.js";
import { Criterion, type CriterionPrograms, compileCriterion, type OutputLosses } from "./criterion.js";
import type { CriterionFrame, CriterionOptions, Normalisers, PointDraws } from "./criterion-options.js";
import { GRADIENT_PREFIX, IMAGES, type LossNames, STATISTICS, type TrainingGraphs } from "./programs.js";
import { buffersOf, type Halves, type HalvesOptions, Rooms } from "./rooms.js";

export interface SegmentationOptions extends HalvesOptions {
  readonly criterion: CriterionOptions;
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
    private readonly rooms: Rooms,
    private readonly first: Halves,
    private readonly criterion: CriterionPrograms,
    private readonly frame: CriterionFrame,
  ) {
    this.dropPath = dropPathOf(options.architecture);
  }

  static async create(runtime: Runtime, options: SegmentationOptions): Promise<Segmentation> {
    const rooms = new Rooms(runtime, options);
    const first = await rooms.halves(0);
    const frame = criterionFrame(options, first.graphs);
    const queries = first.graphs.outputs.map((output) => output.queries);
    const criterion = await compileCriterion(runtime, frame, queries, options.criterion);
    return new Segmentation(runtime, options, rooms, first, criterion, frame);
  }

  get weights() {
    return this.first.graphs.weights;
  }

  /** The weight of each reported loss in the one that is minimised. */
  get lossWeights(): ReadonlyMap<string, number> {
    const { outputs, losses } = this.first.graphs;
    const { weights } = this.options.criterion;
    const ofOutputs = named(outputs.map(({ suffix }) => ({ suffix, ...weights })));
    return new Map([...ofOutputs, ...losses.map(({ name, weight }) => [name, weight] as const)]);
  }

  openLane(): Lane<LabelledBatchOnDevice> {
    const { runtime, options, rooms, first, criterion, frame } = this;
    const { outputs } = first.graphs;
    const buffers = buffersOf(runtime, first);
    const supervised = outputs.map(({ group, objects, suffix, logits, masks, logitsGradient, masksGradient }) => ({
      group,
      objects,
      suffix,
      logits: buffers.get(logits),
      masks: buffers.get(masks),
      // The gradient of what only frozen parts made is read by nobody.
      logitsGradient: buffers.orLike(logitsGradient, logits),
      masksGradient: buffers.orLike(masksGradient, masks),
    }));
    const ofLane = new Criterion(runtime, criterion, frame, supervised, options.criterion);
    return new SegmentationLane(runtime, options, rooms, buffers, ofLane);
  }

  dispose(): void {
    this.rooms.dispose();
    for (const program of Object.values(this.criterion)) program.dispose();
  }
}

class SegmentationLane implements Lane<LabelledBatchOnDevice> {
  private readonly buffers: LaneBuffers[];

  constructor(
    private readonly runtime: Runtime,
    private readonly options: SegmentationOptions,
    private readonly rooms: Rooms,
    first: LaneBuffers,
    private readonly criterion: Criterion,
  ) {
    this.buffers = [first];
  }

  async run(
    { batch, first, keep }: MicroBatch<LabelledBatchOnDevice>,
    { online }: StepWeights,
    gradients: TensorMap,
  ): Promise<MicroBatchReport> {
    const { microBatch, size } = this.options;
    const { drawn, normalisers } = batch;
    const room = drawn.room?.(first, microBatch) ?? 0;
    const halves = await this.rooms.halves(room);
    this.buffers[room] ??= buffersOf(this.runtime, halves, this.buffers[0]);
    const buffers = this.buffers[room];
    const { forward, backward, graphs } = halves;
    const perImage = 3 * size[0] * size[1];
    const weightOf = (name: string) => online.get(name);
    await buffers.write(IMAGES, batch.images.subarray(first * perImage, (first + microBatch) * perImage));
    if (keep) await buffers.write(KEEP, keep);
    for (const [name, values] of drawn.inputs(first, microBatch)) await buffers.write(name, values);
    await forward.run(buffers.bind(forward.inputs, weightOf), buffers.bind(forward.outputs));
    const part = <T>(images: readonly T[]) => images.slice(first, first + microBatch);
    const given = new Map([...drawn.given].map(([group, { queries }]) => [group, { queries: part(queries) }]));
    const losses = await this.criterion.run({ objects: part(drawn.objects), given }, normalisers, batch.draws(first));
    const own = await ownLosses(graphs.losses, buffers, microBatch / drawn.objects.length);
    const fetches = Object.fromEntries([...gradients].map(([name, tensor]) => [GRADIENT_PREFIX + name, tensor]));
    await backward.run(buffers.bind(backward.inputs, weightOf), fetches);
    return {
      losses: new Map([...named(losses), ...own]),
      ...(buffers.has(STATISTICS) && { statistics: await buffers.read(STATISTICS) }),
    };
  }

  dispose(): void {
    const [first, ...others] = this.buffers;
    for (const buffers of others) buffers?.dispose();
    first.dispose();
    this.criterion.dispose();
  }
}

/**
 * The losses of the family's own as the `share` of the batch that the micro-batch is, and what their gradients begin
 * with.
 */
async function ownLosses(
  losses: readonly LossNames[],
  buffers: LaneBuffers,
  share: number,
): Promise<[name: string, value: number][]> {
  const values: [string, number][] = [];
  for (const { name, weight, value, gradient } of losses) {
    await buffers.write(gradient, Float32Array.of(weight * share));
    values.push([name, share * (await buffers.read(value))[0]]);
  }
  return values;
}

/** The losses by the official code's names: "loss_ce", "loss_mask_3". */
function named(outputs: readonly OutputLosses[]): Map<string, number> {
  const ofMasks = outputs.flatMap(({ suffix, mask, dice }) => [
    [`loss_mask${suffix}`, mask] as const,
    [`loss_dice${suffix}`, dice] as const,
  ]);
  return new Map([...ofMasks, ...outputs.map((output) => [`loss_ce${output.suffix}`, output.class] as const)]);
}
