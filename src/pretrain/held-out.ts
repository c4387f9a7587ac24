/** @file Masked prediction on images that training never sees, always with the same crops, masks, noise and queries. */

import { RandomStream } from "../core/random.js";
import type { TensorData } from "../core/tensor-data.js";
import { centreCrop, renderView } from "../data/augment.js";
import type { ImageSource } from "../data/source.js";
import type { Graph } from "../graph/graph.js";
import type { Runtime } from "../runtime/contract.js";
import type { StepWeights } from "../train/objective.js";
import { drawMask, maskStream } from "./draws.js";
import { disposePrograms, PretrainLane, type StepPrograms } from "./lane.js";
import { withProgram } from "./mask-jepa.js";
import { collapseMonitors } from "./monitors.js";
import {
  buildEvaluation,
  buildFrozenBackbone,
  buildTarget,
  MOMENTS,
  POSITION_ERROR,
  type StepOptions,
} from "./programs.js";

export interface HeldOutQuality {
  /** Mean squared error of the predicted masked features, by image. */
  errors: number[];
  /** Their mean, undefined when the loss has no reconstruction. */
  reconstruction?: number;
  /** Error of predicting the mean target feature of these images. */
  meanError: number;
  /** Squared error of each position of the grid, NaN where nothing was masked, by image. */
  errorMaps: Float32Array[];
}

/** Step number of the draws: no training run gets there. */
const EVALUATION_STEP = 2 ** 32 - 1;

/** Indices of the images kept out of training: at most `count`, and at most a tenth of them. */
export function heldOutIndices(seed: number, count: number, length: number): number[] {
  const order = new RandomStream({ seed, purpose: "held out" }).permutation(length);
  return [...order.subarray(0, Math.min(count, Math.floor(length / 10)))];
}

/** Centre crops [3, size, size] of images, normalised. Throws InputError for one that cannot be decoded. */
export async function centreCrops(source: ImageSource, indices: readonly number[], size: number) {
  const random = new RandomStream({ seed: 0, purpose: "centre crop" });
  const crops: Float32Array[] = [];
  for (const index of indices) {
    const crop = new Float32Array(3 * size * size);
    await renderView(source, index, { size, rule: centreCrop, random }, crop);
    crops.push(crop);
  }
  return crops;
}

export interface HeldOutOptions {
  /** Of the training; images are seen one at a time. */
  readonly step: StepOptions;
  /** Of the draws: the run's. */
  readonly seed: number;
}

/** Normalised crops [3, size, size]: in an array, or cut one after another. */
export type Crops = { readonly length: number } & (Iterable<Float32Array> | AsyncIterable<Float32Array>);

export class HeldOut {
  private constructor(
    private readonly options: HeldOutOptions,
    private readonly programs: StepPrograms,
    private readonly lane: PretrainLane,
  ) {}

  /** `weights`: the values of a frozen backbone, which is compiled with them; not looked at otherwise. */
  static async create(
    runtime: Runtime,
    { step, seed }: HeldOutOptions,
    weights: ReadonlyMap<string, TensorData>,
  ): Promise<HeldOut> {
    const single: StepOptions = { ...step, images: 1 };
    const compile = (graph: Graph, frozen = false) => withProgram(runtime, graph, frozen);
    const { graph: target, parameters } = buildTarget(single);
    const { graph: online, parameters: declared } = buildEvaluation(single);
    const programs: StepPrograms = {
      ...(step.frozenBackbone && { backbone: await compile(buildFrozenBackbone(single, weights), true) }),
      target: await compile(target),
      online: await compile(online),
    };
    const elsewhere = new Set([...parameters.tensors.keys(), ...declared.tensors.keys()]);
    return new HeldOut({ step: single, seed }, programs, new PretrainLane(runtime, single, programs, seed, elsewhere));
  }

  /** `images` may be cut one by one while they are asked for. */
  async evaluate(images: Crops, weights: StepWeights): Promise<HeldOutQuality> {
    const { channels } = this.options.step;
    const mean = new Float32Array(channels);
    const gram = new Float32Array(channels ** 2);
    const errors: number[] = [];
    const errorMaps: Float32Array[] = [];
    const outputs = [...this.programs.online.graph.outputs.keys()];
    let i = 0;
    for await (const image of images) {
      const report = await this.lane.run(image, { step: EVALUATION_STEP, first: i }, weights, outputs);
      const value = (name: string) => report.get(name) as Float32Array;
      value(MOMENTS[0]).forEach((v, c) => {
        mean[c] += v / images.length;
      });
      value(MOMENTS[1]).forEach((v, c) => {
        gram[c] += v / images.length;
      });
      if (report.has(POSITION_ERROR)) {
        errors.push(value("reconstruction")[0]);
        errorMaps.push(this.errorMap(i, value(POSITION_ERROR)));
      }
      i++;
    }
    const { meanError } = collapseMonitors({ mean, gram });
    const reconstruction = errors.length > 0 ? errors.reduce((a, b) => a + b, 0) / errors.length : undefined;
    return { errors, reconstruction, meanError, errorMaps };
  }

  dispose(): void {
    this.lane.dispose();
    disposePrograms(this.programs);
  }

  /** Errors of the masked positions of image number `sample`, put back into the grid. */
  private errorMap(sample: number, errors: Float32Array): Float32Array {
    const { step, seed } = this.options;
    const positions = drawMask(maskStream({ seed, step: EVALUATION_STEP, sample }), step.mask);
    const map = new Float32Array(step.mask.positions).fill(Number.NaN);
    positions.forEach((position, i) => {
      map[Number(position)] = errors[i];
    });
    return map;
  }
}
