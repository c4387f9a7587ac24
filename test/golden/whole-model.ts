/** @file The whole official models among the golden cases: what they are built from, what they see and how they are trained. */

import type { Grid, TensorData } from "../../src/core/tensor-data.js";
import type { CriterionOptions } from "../../src/finetune/criterion-options.js";
import type { BackboneOptions } from "../../src/models/backbone.js";
import { TOLERANCES } from "../support/tolerances.js";
import type { DecoderConfig } from "./architecture.js";
import type { GoldenCase, Result } from "./case.js";
import { type Scene, targetsOf } from "./criterion-case.js";

export interface Config extends DecoderConfig {
  /** Of those that compare masks at points. */
  TRAIN_NUM_POINTS?: number;
  OVERSAMPLE_RATIO?: number;
  IMPORTANCE_SAMPLE_RATIO?: number;
  NO_OBJECT_WEIGHT: number;
  CLASS_WEIGHT: number;
  MASK_WEIGHT: number;
  DICE_WEIGHT: number;
  PIXEL_MEAN: number[];
  PIXEL_STD: number[];
  BASE_LR: number;
  WEIGHT_DECAY: number;
  BACKBONE_MULTIPLIER: number;
  CLIP_FULL_MODEL_NORM: number;
  adamw: { betas: [number, number]; eps: number };
}

const R50: BackboneOptions = {
  kind: "resnet50",
  stemChannels: 64,
  stageBlocks: [3, 4, 6, 3],
  stageChannels: [256, 512, 1024, 2048],
  norm: "frozen",
};

const SWIN: BackboneOptions = {
  kind: "swin",
  embedDim: 48,
  depths: [2, 2, 2, 2],
  heads: [2, 4, 8, 16],
  window: 7,
  dropPath: 0,
};

export interface WholeModel {
  readonly name: string;
  readonly backbone: BackboneOptions;
  /** Of the padded batch. */
  readonly size: Grid;
}

export const WHOLE_MODELS: Readonly<
  Record<"mask2formerR50" | "mask2formerSwin" | "maskformer" | "maskformerCoco" | "oneformer", WholeModel>
> = {
  mask2formerR50: { name: "07_full_mask2former_r50", backbone: R50, size: [64, 96] },
  mask2formerSwin: { name: "07_full_mask2former_swin", backbone: SWIN, size: [64, 96] },
  maskformer: { name: "12_maskformer_full_r50", backbone: R50, size: [64, 96] },
  /** With an encoder, and not padded to multiples of 32. */
  maskformerCoco: { name: "12_maskformer_full_r50_coco", backbone: R50, size: [60, 92] },
  oneformer: { name: "10_oneformer_full_r50", backbone: R50, size: [64, 96] },
};

export function criterionOf(config: Config): CriterionOptions {
  return {
    points: config.TRAIN_NUM_POINTS ?? 0,
    oversampling: config.OVERSAMPLE_RATIO ?? 0,
    importance: config.IMPORTANCE_SAMPLE_RATIO ?? 0,
    noObject: config.NO_OBJECT_WEIGHT,
    weights: { class: config.CLASS_WEIGHT, mask: config.MASK_WEIGHT, dice: config.DICE_WEIGHT },
  };
}

/** Both images, normalised and padded with zeros on the right and below. */
export function imagesOf(
  golden: GoldenCase,
  mean: readonly number[],
  deviation: readonly number[],
  [height, width]: Grid,
): Float32Array {
  const images = new Float32Array(2 * 3 * height * width);
  for (const image of [0, 1]) {
    const shape = golden.shapes.get(`image.${image}`)!;
    const [, h, w] = shape;
    const { data } = golden.values(`image.${image}`, shape);
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < h; y++) {
        for (let x = 0; x < w; x++) {
          const value = (data[(c * h + y) * w + x] - mean[c]) / deviation[c];
          images[((image * 3 + c) * height + y) * width + x] = value;
        }
      }
    }
  }
  return images;
}

/** The images of a case, and their objects. */
export function batchOf(golden: GoldenCase, { PIXEL_MEAN, PIXEL_STD }: Config, size: Grid) {
  const targets = [0, 1].map((image) => targetsOf(golden.explicit<Scene>(`targets.${image}`), ...size)[0]);
  return { images: imagesOf(golden, PIXEL_MEAN, PIXEL_STD, size), targets };
}

/** The weights before the first step, by name. */
export function weightsOf(golden: GoldenCase): Map<string, TensorData> {
  const names = [...golden.shapes].filter(([name]) => !/^image\./.test(name));
  return new Map(names.map(([name, shape]) => [name, golden.values(name, shape)]));
}

/** What a difference is measured against: deltas of parameters are quantised by the parameter's own precision. */
export function scaleOf(
  golden: GoldenCase,
  { name, alt_max_abs_diff = 0, f64_max_abs_diff = 0, ...result }: Result,
): number {
  const largest = Math.max(...Array.from(golden.stored(name) as Float32Array, Math.abs));
  const noise = 20 * Math.max(alt_max_abs_diff, f64_max_abs_diff);
  return Math.max(largest, result.shape.length === 0 ? result.abs_sum : 0, noise / TOLERANCES.cpu.parity);
}
