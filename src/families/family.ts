/**
 * @file What a mask-classification architecture is: the questions that pretraining, fine-tuning, prediction and export ask it.
 * They ask the family of a model and never for its name, so a new architecture is one file beside this one.
 */

import type { Tensor } from "../graph/graph.js";
import type { BackboneOptions, Pyramid } from "../models/backbone.js";
import type { PixelDecoderOutput } from "../models/pixel-decoder.js";
import type { Prediction } from "../models/prediction-heads.js";
import type { Scope } from "../nn/scope.js";

/** The parts of a mask-classification architecture (Mask-JEPA, section 3.1): f_back, f_pixel and f_trans. */
export const MODEL_PARTS = ["backbone", "pixel-decoder", "transformer-decoder"] as const;
export type ModelPart = (typeof MODEL_PARTS)[number];

/** Predictions that are supervised alike, one after another; the last of the group without a name is the model's answer. */
export interface PredictionGroup {
  /** What stands in the names of its losses, e.g. "dn"; "" for the predictions that inference uses. */
  readonly name: string;
  /** Whether each object is matched to the query that fits it best, or the query of each object is given. */
  readonly objects: "matched" | "given";
  readonly predictions: readonly Prediction[];
}

/** Sizes of the answer of a model of any family. */
export interface ModelSizes {
  readonly queries: number;
  /** Without "no object". */
  readonly classes: number;
}

/** `Encoder`: what backbone and pixel decoder are built from, `Model`: the same and the transformer decoder. Plain data. */
export interface Family<Encoder, Model extends Encoder> {
  /** As in the setting model.family. */
  readonly name: string;
  /** As people write it. */
  readonly title: string;
  /** What the names of each part's weights begin with. */
  readonly prefixes: Readonly<Record<ModelPart, string>>;
  /** Weights of the transformer decoder that no pretraining has trained: they start fresh in fine-tuning. */
  readonly fresh: RegExp;
  sizes(model: Model): ModelSizes;
  /** f_back: images [N,3,H,W], H and W divisible by 32 -> maps at strides 4, 8, 16, 32. `p` is the root scope, as below. */
  backbone(p: Scope, images: Tensor, encoder: Encoder): Pyramid;
  /** f_pixel: backbone maps -> F_i at strides 32, 16, 8 and F_last. */
  pixelDecoder(p: Scope, maps: Pyramid, encoder: Encoder): PixelDecoderOutput;
  /** f_trans: features -> groups of predictions. */
  transformerDecoder(p: Scope, features: PixelDecoderOutput, model: Model): readonly PredictionGroup[];
  backboneOf(encoder: Encoder): BackboneOptions;
  /** The same with another form of its backbone, e.g. the one that trains. */
  withBackbone<T extends Encoder>(options: T, backbone: BackboneOptions): T;
  /** The same as inference builds it: no batch statistics, no drop path, nothing computed again, little memory. */
  forInference<T extends Encoder>(options: T): T;
}

/** The whole model: images [N,3,H,W] -> groups of predictions. */
export function segment<Encoder, Model extends Encoder>(
  family: Family<Encoder, Model>,
  p: Scope,
  images: Tensor,
  model: Model,
): readonly PredictionGroup[] {
  const features = family.pixelDecoder(p, family.backbone(p, images, model), model);
  return family.transformerDecoder(p, features, model);
}

/** The model's answer among the groups of predictions. */
export function answerOf(groups: readonly PredictionGroup[]): Prediction {
  const answer = groups.find(({ name }) => name === "")?.predictions.at(-1);
  if (!answer) throw new RangeError("family: no group of predictions without a name");
  return answer;
}

/** The part of the model that a weight belongs to; undefined for what is of no part. */
export function partOf(prefixes: Readonly<Record<ModelPart, string>>, weight: string): ModelPart | undefined {
  return MODEL_PARTS.find((part) => weight.startsWith(prefixes[part]));
}
