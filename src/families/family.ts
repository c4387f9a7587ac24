/**
 * @file What a mask-classification architecture is: the questions that pretraining, fine-tuning, prediction and export
 * ask it. They ask the family of a model and never for its name, so a new architecture is one file beside this one.
 */

import type { TensorData } from "../core/tensor-data.js";
import type { Tensor } from "../graph/graph.js";
import type { MaskComparison } from "../losses/mask-comparison.js";
import type { LossWeights } from "../losses/matching-cost.js";
import type { Task } from "../masks/segmentation.js";
import type { BackboneOptions, Pyramid } from "../models/backbone.js";
import type { PixelDecoderOutput } from "../models/pixel-decoder.js";
import type { Prediction } from "../models/prediction-heads.js";
import type { Scope } from "../nn/scope.js";
import type { CommonSettings, FamilySettings, Recipe } from "./settings.js";
import type { Training } from "./training.js";

/** The parts of a mask-classification architecture (Mask-JEPA, section 3.1): f_back, f_pixel and f_trans. */
export const MODEL_PARTS = ["backbone", "pixel-decoder", "transformer-decoder"] as const;
export type ModelPart = (typeof MODEL_PARTS)[number];

/** What the names of each part's weights begin with, that of most of them first. */
export type PartPrefixes = Readonly<Record<ModelPart, readonly [string, ...string[]]>>;

/**
 * Predictions that are supervised alike, one after another; the last of the group without a name is the model's answer.
 */
export interface PredictionGroup {
  /** What stands in the names of its losses, e.g. "dn"; "" for the predictions that inference uses. */
  readonly name: string;
  /** Whether each object is matched to the query that fits it best, or `Training.draw` gives objects to queries. */
  readonly objects: "matched" | "given";
  readonly predictions: readonly Prediction[];
}

/** A loss beside those of the predictions. */
export interface OwnLoss {
  /** As it is logged, e.g. "loss_contrastive". */
  readonly name: string;
  readonly weight: number;
  /** A scalar, of the images of a micro-batch; the batch's is the mean of its micro-batches'. */
  readonly value: Tensor;
}

/** What the transformer decoder makes of features. */
export interface Decoded {
  readonly groups: readonly PredictionGroup[];
  readonly losses?: readonly OwnLoss[];
}

/**
 * Inputs of the graph that only a family has, by name: those of its `training` where it trains, of its `condition`
 * where not.
 */
export type OwnInputs = ReadonlyMap<string, Tensor>;

/** Sizes of the answer of a model of any family. */
export interface ModelSizes {
  readonly queries: number;
  /** Without "no object". */
  readonly classes: number;
}

/** How outputs become segments. */
export interface SegmentRule {
  /**
   * Pixels of a panoptic segment: all in which it has the best score, or of these the ones where its own mask is at
   * least 0.5.
   */
  readonly panoptic: "won" | "won-and-claimed";
}

/** The classes of Hugging Face transformers that models of some family are there. */
export type HuggingFaceClass =
  | "Mask2FormerForUniversalSegmentation"
  | "MaskFormerForInstanceSegmentation"
  | "OneFormerForUniversalSegmentation";

/** What its weights are called elsewhere. */
export interface NamesElsewhere {
  /** Table of `checkpoint/names` of the authors' files. */
  readonly official: string;
  /** The same of Hugging Face transformers', and the class there that reads them. */
  readonly huggingface: {
    readonly layout: string;
    readonly architecture: HuggingFaceClass;
    /** Weights that the class has and the family has not: zeros, as many as another weight of the family has. */
    readonly zeros?: readonly { readonly name: string; readonly like: string }[];
    /** Weights of training alone that the class has all the same. */
    readonly keeps?: readonly string[];
    /** What whoever exports there is told. */
    readonly remark?: string;
  };
}

/**
 * `Settings`: its settings in the section `model`; `Encoder`: what backbone and pixel decoder are built from, `Model`:
 * the same and the transformer decoder. Plain data.
 */
export interface Family<Settings extends CommonSettings, Encoder, Model extends Encoder> {
  /** As in the setting model.family. */
  readonly name: string;
  /** As people write it. */
  readonly title: string;
  readonly prefixes: PartPrefixes;
  /** What each part is, in words. Parts of two families that are called alike have the same weights: they go over. */
  readonly kinds: Readonly<Record<ModelPart, string>>;
  /** Weights of the transformer decoder that no pretraining has trained: they start fresh in fine-tuning. */
  readonly fresh: RegExp;
  /** Weights with a row for each class, in their order, and perhaps more rows behind them. */
  readonly classRows: RegExp;
  /** Weights that training alone needs: predictions and other programs do without. */
  readonly trainingOnly?: readonly RegExp[];
  readonly names: NamesElsewhere;
  readonly settings: FamilySettings<Settings, Encoder, Model>;
  /** Presets of fine-tuning with its published numbers. */
  readonly recipes: readonly Recipe[];
  /**
   * Whether Mask-JEPA pretrains it: its pixel decoder gives F_i at strides 32, 16 and 8, its layers are Mask2Former's.
   */
  readonly pretrains: boolean;
  sizes(model: Model): ModelSizes;
  /**
   * f_back: images [N,3,H,W], H and W divisible by 32 -> maps at strides 4, 8, 16, 32. `p` is the root scope, as below.
   */
  backbone(p: Scope, images: Tensor, encoder: Encoder): Pyramid;
  /** f_pixel: backbone maps -> F_i at strides 32, 16, 8 and F_last. */
  pixelDecoder(p: Scope, maps: Pyramid, encoder: Encoder, inputs?: OwnInputs): PixelDecoderOutput;
  /** f_trans: features -> groups of predictions; with the inputs of `training` in the form that trains. */
  transformerDecoder(p: Scope, features: PixelDecoderOutput, model: Model, inputs: OwnInputs): Decoded;
  /** What training adds; absent where the network trains as it predicts. */
  readonly training?: Training<Model>;
  /** How predicted masks are compared with objects in training. */
  readonly comparison: MaskComparison;
  /** Of the losses and of the matching, as published. */
  readonly lossWeights: LossWeights;
  /** Inputs, of one image, that ask for the answer to a task; absent where one answer serves all. */
  readonly condition?: (task: Task) => ReadonlyMap<string, TensorData>;
  readonly segments: SegmentRule;
  backboneOf(encoder: Encoder): BackboneOptions;
  /** The same with another form of its backbone, e.g. the one that trains. */
  withBackbone<T extends Encoder>(options: T, backbone: BackboneOptions): T;
  /** The same as inference builds it: no batch statistics, no drop path, nothing computed again, little memory. */
  forInference<T extends Encoder>(options: T): T;
}

/** The whole model: images [N,3,H,W], and inputs of the family's own, -> groups of predictions. */
export function segment<Encoder, Model extends Encoder>(
  family: Pick<Family<never, Encoder, Model>, "backbone" | "pixelDecoder" | "transformerDecoder">,
  p: Scope,
  images: Tensor,
  model: Model,
  inputs: OwnInputs = new Map(),
): Decoded {
  const features = family.pixelDecoder(p, family.backbone(p, images, model), model, inputs);
  return family.transformerDecoder(p, features, model, inputs);
}

/** The model's answer among the groups of predictions. */
export function answerOf({ groups }: Decoded): Prediction {
  const answer = groups.find(({ name }) => name === "")?.predictions.at(-1);
  if (!answer) throw new RangeError("family: no group of predictions without a name");
  return answer;
}

/** The part of the model that a weight belongs to; undefined for what is of no part. */
export function partOf(prefixes: PartPrefixes, weight: string): ModelPart | undefined {
  return MODEL_PARTS.find((part) => prefixOf(prefixes[part], weight) !== undefined);
}

/** What the name of a weight begins with of these. */
export const prefixOf = (prefixes: readonly string[], weight: string): string | undefined =>
  prefixes.find((prefix) => weight.startsWith(prefix));
