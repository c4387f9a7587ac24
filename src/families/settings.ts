/**
 * @file Settings of a model beside its backbone: those that every family has, and how a family says what its own are.
 */

import type { z } from "zod";
import { type Conflict, divisors } from "../core/settings-conflicts.js";
import { added, count, multiple, orNull } from "../core/settings-fields.js";
import { show } from "../core/show.js";
import type { Grid } from "../core/tensor-data.js";
import type { BackboneOptions } from "../models/backbone.js";

/** Blocks whose activations can be computed again in the backward pass instead of kept. */
export const RECOMPUTE_BLOCKS = ["backbone", "deformable-attention", "encoder-layers", "decoder-layers"] as const;
export type RecomputeBlock = (typeof RECOMPUTE_BLOCKS)[number];

/** Settings that models of all families have. */
export const COMMON_FIELDS = {
  hiddenDim: multiple(4, { max: 4096 }, "C, channels of both decoders; sine and cosine of x and y share them."),
  maskDim: added(
    orNull(count({ max: 4096 }, "Channels of the features that masks are predicted from; null for model.hiddenDim.")),
    null,
  ),
  heads: count({ max: 512 }, "Attention heads of both decoders."),
  decoderLayers: count({ max: 64 }, "L, layers of the transformer decoder."),
  decoderFfn: count({ max: 65_536 }, "Width inside the feed-forward of a transformer decoder's layer."),
  normGroups: count({ max: 4096 }, "Groups of the pixel decoder's group norms."),
};

export type Fields = Readonly<Record<string, z.ZodType>>;
/** The values of settings. */
export type ValuesOf<F extends Fields> = { -readonly [K in keyof F]: z.output<F[K]> };

export type CommonSettings = ValuesOf<typeof COMMON_FIELDS>;

/** What an encoder is built from beside settings of its own. */
export interface EncoderFrame {
  readonly backbone: BackboneOptions;
  readonly recompute: readonly RecomputeBlock[];
}

/** The same for a whole model. */
export interface ModelFrame extends EncoderFrame {
  readonly queries: number;
  /** Without "no object". */
  readonly classes: number;
}

/** Numbers that a step certainly holds of the decoders. */
export interface LeastNumbers<Settings> {
  /** In matrices. */
  weights(settings: Settings): number;
  /** Of one image for its backward pass; `size`: sides of the network's input. */
  activations(settings: Settings, size: Grid, recompute: readonly RecomputeBlock[]): number;
}

/** Numbers of a training that a model may have to agree with. */
export interface TrainingSizes {
  readonly queries: number;
  readonly microBatch: number;
}

/** A family's part of the section `model`. */
export interface FamilySettings<Settings extends CommonSettings, Encoder, Model> {
  /** What each setting means and accepts. */
  readonly fields: { readonly [K in keyof Settings]: z.ZodType<Settings[K]> };
  /** The published numbers: what a model of another family takes over for what it lacks. */
  readonly usual: Settings;
  /** Settings that disagree; `training`: with those of a training too, where there is one. */
  conflicts(settings: Settings, training?: TrainingSizes): Iterable<Conflict>;
  encoder(settings: Settings, frame: EncoderFrame): Encoder;
  model(settings: Settings, frame: ModelFrame): Model;
  readonly least: LeastNumbers<Settings>;
}

/** Heads and groups share channels out evenly. */
export function* commonConflicts(model: CommonSettings): Generator<Conflict> {
  for (const name of ["heads", "normGroups"] as const) {
    if (model.hiddenDim % model[name] === 0) continue;
    yield {
      names: [`model.${name}`, "model.hiddenDim"],
      expected: `a model.${name} that divides model.hiddenDim = ${model.hiddenDim}`,
      found: show(model[name]),
      fix: `These divide it: ${divisors(model.hiddenDim)}.`,
    };
  }
}

/** A table of published numbers for one kind of data. */
export interface Recipe {
  /** What follows the family's name in the preset's. */
  readonly name: string;
  readonly backbone: BackboneOptions["kind"];
  /** Whose images, sizes and augmentation it trains on. */
  readonly data: "ade20k" | "cityscapes" | "coco";
  readonly task: "semantic" | "instance" | "panoptic";
  /** Whose sizes of images, where not those of its task. */
  readonly sizes?: Recipe["task"];
  /** Settings over Mask2Former's for that data, by section and name. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}
