/**
 * @file Mask2Former's criterion (HungarianMatcher and SetCriterion; mask-classification reference, 4), between the forward and
 * the backward half of a step: from predictions and objects to the losses and their gradients.
 */

import { type Shape, sizeOf } from "../core/tensor-data.js";
import type { Target } from "../data/targets.js";
import { type Assignment, assignObjects } from "../losses/assignment.js";
import { borderedMap, readBordered, sampleMask, scatterBordered } from "../losses/points.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import {
  type CriterionOptions,
  type CriterionPrograms,
  type CriterionShape,
  OBJECTS,
  PAIRS,
  predictionNames,
  seedName,
} from "./criterion-programs.js";
import { type Pair, PairSampler, type PointDraws } from "./pair-sampler.js";

/** What the losses of a batch are divided by; the same for all its micro-batches. */
export interface Normalisers {
  /** max(1, objects in the batch) */
  readonly masks: number;
  /** Sum of the class weights of all queries of the batch. */
  readonly classWeights: number;
}

/** The normalisers of a batch from the number of objects of each image (one worker: reference, 4.3 and 4.4). */
export function normalisersOf(counts: readonly number[], queries: number, noObject: number): Normalisers {
  const objects = counts.reduce((a, b) => a + b, 0);
  const classWeights = counts.reduce((sum, n) => {
    const matched = Math.min(n, queries);
    return sum + matched + (queries - matched) * noObject;
  }, 0);
  return { masks: Math.max(1, objects), classWeights };
}

/** A loss or matching cost of one image that is NaN or infinite. */
export class NonFiniteImage extends Error {
  override readonly name = "NonFiniteImage";
  constructor(
    /** Within the micro-batch. */
    readonly image: number,
    readonly what: string,
  ) {
    super(`image ${image}: ${what}`);
  }
}

type Buffers = Record<string, DeviceTensor<"float32">>;

/** The names of the losses in the order of the outputs: the last one's have no number, as in the reference. */
const suffix = (output: number, outputs: number) => (output === outputs - 1 ? "" : `_${output}`);

/** One micro-batch's criterion with buffers of its own; several work at once. */
export class Criterion {
  private readonly buffers: Buffers;
  private readonly sampler: PairSampler;
  private readonly gradientMap;
  /** Rows (image * queries + query) of each output's mask seeds that are not zero. */
  private readonly dirty: Set<number>[];

  constructor(
    runtime: Runtime,
    private readonly programs: CriterionPrograms,
    private readonly shape: CriterionShape,
    private readonly options: CriterionOptions,
  ) {
    const { images, queries, classes, outputs, maskSize } = shape;
    const { points } = options;
    const allocate = (...dims: Shape) => runtime.allocate("float32", dims);
    this.buffers = {
      points: allocate(images, points, 2),
      objects: allocate(images, points, OBJECTS),
      classes: allocate(images, classes + 1, OBJECTS),
      cost: allocate(images, queries, OBJECTS),
      logits: allocate(PAIRS, points),
      labels: allocate(PAIRS, points),
      gradient: allocate(PAIRS, points),
      bce: allocate(PAIRS),
      dice: allocate(PAIRS),
      scale: allocate(),
      losses: allocate(outputs),
    };
    for (let i = 0; i < outputs; i++) this.buffers[`weights.${i}`] = allocate(images, queries, classes + 1);
    this.sampler = new PairSampler(shape, options);
    this.gradientMap = borderedMap(maskSize[1], maskSize[0]);
    this.dirty = Array.from({ length: outputs }, () => new Set());
  }

  /**
   * Losses of a micro-batch by the reference's names (loss_ce, loss_mask, loss_dice, with _0, _1, ... for all but the last
   * output), divided by the batch's normalisers; leaves the gradients of their weighted sum in the seeds.
   * `predictions` and `seeds` by the names of `predictionNames` and `seedName`.
   * @throws NonFiniteImage
   */
  async run(
    predictions: ReadonlyMap<string, DeviceTensor>,
    seeds: ReadonlyMap<string, DeviceTensor>,
    targets: readonly (readonly Target[])[],
    normalisers: Normalisers,
    draws: PointDraws,
  ): Promise<Map<string, number>> {
    const { outputs } = this.shape;
    const losses = new Map<string, number>();
    await this.write("scale", Float32Array.of(1 / normalisers.masks));
    for (let output = 0; output < outputs; output++) {
      const names = predictionNames(output);
      const [logits, masks] = [names.logits, names.masks].map(
        (name) => predictions.get(name) as DeviceTensor<"float32">,
      );
      const assignments = await this.match(output, { logits, masks }, targets, draws);
      await this.weighClasses(output, assignments, targets, normalisers);
      const seed = seeds.get(seedName(names.masks)) as DeviceTensor<"float32">;
      const sums = await this.maskLosses(output, masks, seed, assignments, targets, draws);
      losses.set(`loss_mask${suffix(output, outputs)}`, sums.bce / normalisers.masks);
      losses.set(`loss_dice${suffix(output, outputs)}`, sums.dice / normalisers.masks);
    }
    const { data } = await this.classLosses(predictions, seeds);
    data.forEach((value, output) => {
      losses.set(`loss_ce${suffix(output, outputs)}`, value);
    });
    return losses;
  }

  dispose(): void {
    for (const tensor of Object.values(this.buffers)) tensor.dispose();
  }

  /** The assignment of each image. */
  private async match(
    output: number,
    { logits, masks }: { logits: DeviceTensor; masks: DeviceTensor },
    targets: readonly (readonly Target[])[],
    draws: PointDraws,
  ): Promise<Assignment[]> {
    const { queries, classes, size } = this.shape;
    const { points } = this.options;
    const drawn = this.memory("points");
    const drawnOf = (image: number) => drawn.subarray(2 * points * image, 2 * points * (image + 1));
    targets.forEach((_, image) => {
      draws.matching(output, image, drawnOf(image));
    });
    await this.write("points", drawn);
    const costs = targets.map(({ length }) => Array.from({ length: queries }, () => new Float64Array(length)));
    const most = Math.max(0, ...targets.map(({ length }) => length));
    for (let start = 0; start < most; start += OBJECTS) {
      const objects = this.memory("objects").fill(0);
      const labels = this.memory("classes").fill(0);
      targets.forEach((objectsOfImage, image) => {
        objectsOfImage.slice(start, start + OBJECTS).forEach(({ label, mask }, i) => {
          const bytes = { width: size[1], height: size[0], data: mask };
          sampleMask(bytes, drawnOf(image), points, objects, image * points * OBJECTS + i, OBJECTS);
          labels[(image * (classes + 1) + label) * OBJECTS + i] = 1;
        });
      });
      await this.write("objects", objects);
      await this.write("classes", labels);
      const { cost } = this.buffers;
      await this.programs.matching.run({ logits, masks, ...this.pick("points", "objects", "classes") }, { cost });
      const values = await hostData(cost);
      costs.forEach((rows, image) => {
        const width = Math.min(OBJECTS, targets[image].length - start);
        rows.forEach((row, q) => {
          for (let i = 0; i < width; i++) row[start + i] = values[(image * queries + q) * OBJECTS + i];
        });
      });
    }
    return costs.map((rows, image) => {
      try {
        return assignObjects(rows);
      } catch (error) {
        throw new NonFiniteImage(image, (error as Error).message);
      }
    });
  }

  /** Writes, at each query's class, its weight over the normaliser. */
  private async weighClasses(
    output: number,
    assignments: readonly Assignment[],
    targets: readonly (readonly Target[])[],
    { classWeights }: Normalisers,
  ): Promise<void> {
    const { queries, classes } = this.shape;
    const width = classes + 1;
    const weights = this.memory(`weights.${output}`).fill(0);
    assignments.forEach((assignment, image) => {
      const labels = new Array<number>(queries).fill(classes);
      assignment.queries.forEach((query, i) => {
        labels[query] = targets[image][assignment.objects[i]].label;
      });
      labels.forEach((label, query) => {
        const weight = label === classes ? this.options.noObject : 1;
        weights[(image * queries + query) * width + label] = weight / classWeights;
      });
    });
    await this.write(`weights.${output}`, weights);
  }

  private async classLosses(predictions: ReadonlyMap<string, DeviceTensor>, seeds: ReadonlyMap<string, DeviceTensor>) {
    const feeds: Record<string, DeviceTensor> = {};
    const fetches: Record<string, DeviceTensor> = this.pick("losses");
    for (let i = 0; i < this.shape.outputs; i++) {
      const { logits } = predictionNames(i);
      feeds[logits] = predictions.get(logits) as DeviceTensor;
      feeds[`weights.${i}`] = this.buffers[`weights.${i}`];
      fetches[seedName(logits)] = seeds.get(seedName(logits)) as DeviceTensor;
    }
    await this.programs.classLoss.run(feeds, fetches);
    return this.buffers.losses.read();
  }

  /** Sums of both mask losses over the pairs of an output; their gradient with respect to the mask logits goes to `seed`. */
  private async maskLosses(
    output: number,
    masks: DeviceTensor<"float32">,
    seed: DeviceTensor<"float32">,
    assignments: readonly Assignment[],
    targets: readonly (readonly Target[])[],
    draws: PointDraws,
  ): Promise<{ bce: number; dice: number }> {
    const { queries, maskSize } = this.shape;
    const { points } = this.options;
    const area = maskSize[0] * maskSize[1];
    const logits = await hostData(masks);
    const gradient = seed.data ?? new Float32Array(logits.length);
    const dirty = this.dirty[output];
    for (const row of dirty) gradient.fill(0, row * area, (row + 1) * area);
    dirty.clear();
    const pairs = assignments.flatMap((assignment, image) =>
      assignment.queries.map(
        (query, pair): Pair => ({
          image,
          pair,
          row: image * queries + query,
          mask: targets[image][assignment.objects[pair]].mask,
        }),
      ),
    );
    const sums = { bce: 0, dice: 0 };
    for (let start = 0; start < pairs.length; start += PAIRS) {
      const chunk = pairs.slice(start, start + PAIRS);
      const sampled = { logits: this.memory("logits"), labels: this.memory("labels") };
      this.sampler.sample(output, chunk, logits, draws, sampled);
      await this.write("logits", sampled.logits);
      await this.write("labels", sampled.labels);
      await this.programs.maskLoss.run(this.pick("logits", "labels", "scale"), this.pick("bce", "dice", "gradient"));
      const [bce, dice, dLogits] = await Promise.all(
        [this.buffers.bce, this.buffers.dice, this.buffers.gradient].map(hostData),
      );
      chunk.forEach(({ image, row }, i) => {
        if (!Number.isFinite(bce[i] + dice[i])) throw new NonFiniteImage(image, `a mask loss is ${bce[i]}`);
        sums.bce += bce[i];
        sums.dice += dice[i];
        this.gradientMap.data.fill(0);
        scatterBordered(this.gradientMap, this.sampler.points[i], points, dLogits, i * points);
        readBordered(this.gradientMap, gradient, row * area);
        dirty.add(row);
      });
    }
    if (!seed.data) await seed.write({ dtype: "float32", shape: seed.shape, data: gradient });
    return sums;
  }

  private pick(...names: string[]): Buffers {
    return Object.fromEntries(names.map((name) => [name, this.buffers[name]]));
  }

  /** Where the values of a buffer are put together: on the CPU its own memory. */
  private memory(name: string): Float32Array {
    const { data, shape } = this.buffers[name];
    return data ?? new Float32Array(sizeOf(shape));
  }

  private async write(name: string, data: Float32Array): Promise<void> {
    const buffer = this.buffers[name];
    if (data !== buffer.data) await buffer.write({ dtype: "float32", shape: buffer.shape, data });
  }
}

/** On the CPU the memory itself. */
async function hostData(tensor: DeviceTensor<"float32">): Promise<Float32Array> {
  return tensor.data ?? (await tensor.read()).data;
}
