/** @file Steps 2 to 9 of the method for one micro-batch: the loss and what the run reports about it. */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { meanSquaredError } from "../losses/mean-squared-error.js";
import type { PixelDecoderOptions } from "../models/pixel-decoder.js";
import { sinePositions } from "../models/position-embedding.js";
import type { Pyramid } from "../models/pyramid.js";
import { torchWeight, zeros } from "../nn/init.js";
import { areaAverage, conv2d, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { enlarged, maskTokens, tokenRows, tokensAt } from "./context.js";
import { featuresAt, pixelFeatures } from "./encoder.js";
import { type PredictorOptions, predict } from "./predict.js";
import { targetTokens } from "./target.js";

export interface ObjectiveOptions {
  pixelDecoder: PixelDecoderOptions;
  predictor: PredictorOptions;
  /** s_i1 */
  featureStride: number;
  reconstruction: boolean;
  denoising: boolean;
  denoiseTarget: "noise" | "image";
  /** Ask for the masked positions only, or for every position. */
  queries: "masked" | "all";
}

export interface ObjectiveInputs {
  /** Backbone maps of the noisy images. */
  pyramid: Pyramid;
  /** Clean, normalised images [N,3,H,W]. */
  images: Tensor;
  /** e, [N,3,H/b,W/b]. */
  noise: Tensor;
  /** Random query content [N,Q,C]. */
  queries: Tensor;
  /** Masked positions in the grid of F_i1, ascending: int64 [N,K]. */
  masked: Tensor;
  /** T, [N,P,C]. */
  target: Tensor;
}

export interface Objective {
  /** L = L_recon + L_denoise. */
  loss: Tensor;
  /** Scalars and small tensors by name, reported by every micro-batch. */
  report: ReadonlyMap<string, Tensor>;
  /** Predicted and true target features of the masked positions, [N * K, C]; no prediction without reconstruction. */
  prediction?: Tensor;
  target: Tensor;
}

export function objective(p: Scope, inputs: ObjectiveInputs, options: ObjectiveOptions): Objective {
  const encoded = pixelFeatures(p, inputs.pyramid, options.pixelDecoder);
  const features = featuresAt(options.featureStride, encoded);
  const rows = tokenRows(inputs.masked, inputs.target.shape[1]);
  const target = tokensAt(inputs.target, rows);
  const report = new Map<string, Tensor>(targetStatistics(target));
  report.set("cosine", meanCosine(targetTokens(features), inputs.target));
  const parts: Tensor[] = [];
  const prediction = options.reconstruction ? predictMasked(p, features, rows, inputs, options) : undefined;
  if (prediction) {
    const reconstruction = meanSquaredError(prediction, target);
    report.set("reconstruction", reconstruction);
    parts.push(reconstruction);
  }
  if (options.denoising) {
    const restored = conv2d(p.in("mask_jepa", "denoise"), encoded.maskFeatures, 3, {
      kernel: 1,
      init: torchWeight,
      bias: zeros,
    });
    const denoising = meanSquaredError(restored, denoisingTarget(restored, inputs, options.denoiseTarget));
    report.set("denoising", denoising);
    parts.push(denoising);
  }
  const loss = parts.reduce((a, b) => g.add(a, b));
  report.set("loss", loss);
  return { loss, report, prediction, target };
}

/** Predictions for the masked positions, [N * K, C]. */
function predictMasked(
  p: Scope,
  features: Tensor,
  rows: Tensor,
  { queries, masked }: ObjectiveInputs,
  { predictor, queries: asked }: ObjectiveOptions,
): Tensor {
  const [n, c, h, w] = features.shape;
  const { graph } = features;
  const positions = graph.constant(sinePositions([h, w], c));
  const memory = maskTokens(p.in("mask_jepa"), toTokens(features), rows);
  const queryPositions = asked === "masked" ? g.gather(positions, masked) : positions;
  const predicted = predict(p, { memory, positions, queries, queryPositions }, predictor);
  return asked === "masked" ? g.reshape(predicted, [n * masked.shape[1], c]) : tokensAt(predicted, rows);
}

/** The noise or the image at stride 4, in the shape of the restored map. */
function denoisingTarget(restored: Tensor, { images, noise }: ObjectiveInputs, kind: "noise" | "image"): Tensor {
  if (kind === "image") return areaAverage(images, images.shape[2] / restored.shape[2]);
  return enlarged(noise, restored.shape.slice(2));
}

/** First and second moments of target features [K, C]: enough for their deviation and effective rank. */
function targetStatistics(target: Tensor): [string, Tensor][] {
  const count = target.shape[0];
  const gram = g.mul(g.gemm(target, target, undefined, { transA: true }), 1 / count);
  return [
    ["target-mean", g.reduceMean(target, [0])],
    ["target-gram", gram],
  ];
}

/** Mean over positions of the cosine of two standardised feature maps, whose rows have length sqrt(C). */
function meanCosine(a: Tensor, b: Tensor): Tensor {
  return g.reduceMean(g.mul(a, b));
}
