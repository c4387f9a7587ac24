/** @file Masked prediction on images that training never sees, always with the same crops, masks, noise and queries. */

import { RandomStream } from "../core/random.js";
import { centreCrop, renderView } from "../data/augment.js";
import type { ImageSource } from "../data/source.js";
import type { Graph } from "../graph/graph.js";
import type { Runtime } from "../runtime/contract.js";
import { drawMask, maskStream } from "./draws.js";
import { compileGraph, Lane, type StepPrograms, type StepWeights } from "./lane.js";
import { collapseMonitors } from "./monitors.js";
import { buildEvaluation, buildFrozenBackbone, buildTarget, POSITION_ERROR } from "./programs.js";
import { maskGrid, type PretrainSettings } from "./settings.js";

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
    await renderView(await source.read(index), source.name(index), { size, rule: centreCrop, random }, crop);
    crops.push(crop);
  }
  return crops;
}

export class HeldOut {
  private constructor(
    private readonly settings: PretrainSettings,
    private readonly programs: StepPrograms,
    private readonly lane: Lane,
    private readonly reports: readonly string[],
  ) {}

  /** `backbone`: its weights by canonical name, needed when it is frozen. */
  static async create(
    runtime: Runtime,
    settings: PretrainSettings,
    backbone: Parameters<typeof buildFrozenBackbone>[1],
  ): Promise<HeldOut> {
    const single = { ...settings, run: { ...settings.run, microBatch: 1, recompute: [] } };
    const compile = (graph: Graph, frozenWeights = false) => compileGraph(runtime, graph, frozenWeights);
    const evaluation = buildEvaluation(single);
    const programs: StepPrograms = {
      backbone: settings.backbone.frozen ? await compile(buildFrozenBackbone(single, backbone), true) : undefined,
      target: await compile(buildTarget(single).graph),
      gradients: await compile(evaluation),
    };
    const shapes = new Map([...evaluation.outputs].map(([name, t]) => [name, t.shape]));
    return new HeldOut(single, programs, new Lane(runtime, single, programs, shapes), [...shapes.keys()]);
  }

  async evaluate(images: readonly Float32Array[], weights: StepWeights): Promise<HeldOutQuality> {
    const { hiddenDim } = this.settings.model;
    const mean = new Float32Array(hiddenDim);
    const gram = new Float32Array(hiddenDim ** 2);
    const errors: number[] = [];
    const errorMaps: Float32Array[] = [];
    for (const [i, image] of images.entries()) {
      const report = await this.lane.run(image, EVALUATION_STEP, i, weights, { reports: this.reports });
      const value = (name: string) => report.get(name) as Float32Array;
      value("target-mean").forEach((v, c) => {
        mean[c] += v / images.length;
      });
      value("target-gram").forEach((v, c) => {
        gram[c] += v / images.length;
      });
      if (report.has(POSITION_ERROR)) {
        errors.push(value("reconstruction")[0]);
        errorMaps.push(this.errorMap(i, value(POSITION_ERROR)));
      }
    }
    const { meanError } = collapseMonitors({ mean, gram });
    const reconstruction = errors.length > 0 ? errors.reduce((a, b) => a + b, 0) / errors.length : undefined;
    return { errors, reconstruction, meanError, errorMaps };
  }

  dispose(): void {
    this.lane.dispose();
    for (const program of Object.values(this.programs)) program?.dispose();
  }

  /** Errors of the masked positions of image number `sample`, put back into the grid. */
  private errorMap(sample: number, errors: Float32Array): Float32Array {
    const { cells, masked } = maskGrid(this.settings);
    const key = { seed: this.settings.run.seed, step: EVALUATION_STEP, sample };
    const positions = drawMask(maskStream(key), cells, this.settings.pretrain.maskPatch, masked);
    const map = new Float32Array(cells * cells).fill(Number.NaN);
    positions.forEach((position, i) => {
      map[Number(position)] = errors[i];
    });
    return map;
  }
}
