/** @file Mask2Former (Cheng et al. 2022) under the names of its checkpoints. */

import { count } from "../core/settings-fields.js";
import { POINTWISE_CROSS_ENTROPY } from "../losses/mask-comparison.js";
import { type BackboneOptions, backbone, backboneForInference } from "../models/backbone.js";
import { type PixelDecoderOptions, pixelDecoder } from "../models/pixel-decoder.js";
import {
  learnedContent,
  learnedPosition,
  type TransformerDecoderOptions,
  transformerDecoder,
} from "../models/transformer-decoder.js";
import type { Family } from "./family.js";
import {
  COMMON_FIELDS,
  commonConflicts,
  type EncoderFrame,
  type LeastNumbers,
  type ModelFrame,
  type Recipe,
  type ValuesOf,
} from "./settings.js";

export interface Mask2FormerEncoder {
  readonly backbone: BackboneOptions;
  readonly pixelDecoder: PixelDecoderOptions;
}

export interface Mask2FormerOptions extends Mask2FormerEncoder {
  readonly transformerDecoder: TransformerDecoderOptions;
}

const { hiddenDim, maskDim, heads, ...others } = COMMON_FIELDS;

/** Settings of the families with Mask2Former's decoders. */
export const MASK2FORMER_FIELDS = {
  hiddenDim,
  maskDim,
  heads,
  points: count({ max: 64 }, "Sampling points of each head and level of the deformable attention."),
  pixelDecoderLayers: count({ max: 64 }, "Layers of the pixel decoder's deformable encoder."),
  pixelDecoderFfn: count({ max: 65_536 }, "Width inside the feed-forward of a pixel decoder's layer."),
  ...others,
};

export type Mask2FormerSettings = ValuesOf<typeof MASK2FORMER_FIELDS>;

export const MASK2FORMER_USUAL: Mask2FormerSettings = {
  hiddenDim: 256,
  maskDim: null,
  heads: 8,
  points: 4,
  pixelDecoderLayers: 6,
  pixelDecoderFfn: 1024,
  decoderLayers: 9,
  decoderFfn: 2048,
  normGroups: 32,
};

function mask2formerEncoder(settings: Mask2FormerSettings, { backbone, recompute }: EncoderFrame): Mask2FormerEncoder {
  return {
    backbone,
    pixelDecoder: {
      hiddenDim: settings.hiddenDim,
      maskDim: settings.maskDim ?? settings.hiddenDim,
      heads: settings.heads,
      points: settings.points,
      layers: settings.pixelDecoderLayers,
      feedForwardDim: settings.pixelDecoderFfn,
      normGroups: settings.normGroups,
      recomputeLayers: recompute.includes("encoder-layers"),
      recomputeRows: recompute.includes("deformable-attention"),
    },
  };
}

export function mask2formerModel(settings: Mask2FormerSettings, frame: ModelFrame): Mask2FormerOptions {
  return {
    ...mask2formerEncoder(settings, frame),
    transformerDecoder: {
      hiddenDim: settings.hiddenDim,
      maskDim: settings.maskDim ?? settings.hiddenDim,
      queries: frame.queries,
      layers: settings.decoderLayers,
      classes: frame.classes,
      heads: settings.heads,
      feedForwardDim: settings.decoderFfn,
      recomputeLayers: frame.recompute.includes("decoder-layers"),
    },
  };
}

const LEVELS = 3;
const CORNERS = 4;

/** Matrices of both decoders without biases, and what the encoder's layers and F_last keep. */
export const MASK2FORMER_LEAST: LeastNumbers<Mask2FormerSettings> = {
  weights({ hiddenDim: c, heads, points, pixelDecoderLayers, pixelDecoderFfn, decoderLayers, decoderFfn }) {
    const encoderLayer = 2 * c * c + 3 * c * heads * LEVELS * points + 2 * c * pixelDecoderFfn;
    const decoderLayer = 8 * c * c + 2 * c * decoderFfn;
    return pixelDecoderLayers * encoderLayer + decoderLayers * decoderLayer + 10 * c * c;
  },
  activations({ hiddenDim: c, points, pixelDecoderLayers, pixelDecoderFfn }, [height, width], recompute) {
    const tokens = (height * width * 21) / 1024; // at strides 8, 16 and 32
    const rows = tokens * CORNERS * LEVELS * points * c;
    const again = recompute.includes("encoder-layers");
    const layer = tokens * (again ? c : 4 * c + pixelDecoderFfn);
    const kept = again || recompute.includes("deformable-attention") ? 0 : rows;
    return rows + pixelDecoderLayers * (layer + kept) + (height * width * c) / 8;
  },
};

const HEAD = "sem_seg_head";

/** Sampled rows of deformable attention in memory at once: all of a layer's would be 1 GB for 800 x 1216 pixels. */
const ROW_BYTES = 2 ** 23;

/** Every task on every data set with both backbones; the numbers are those that all recipes start from. */
const RECIPES: readonly Recipe[] = (["ade20k", "cityscapes", "coco"] as const).flatMap((data) =>
  (["semantic", "instance", "panoptic"] as const).flatMap((task) => [
    { name: `r50-${data}-${task}`, backbone: "resnet50", data, task, settings: {} },
    { name: `swin-t-${data}-${task}`, backbone: "swin", data, task, settings: {} },
  ]),
);

export const mask2former: Family<Mask2FormerSettings, Mask2FormerEncoder, Mask2FormerOptions> = {
  name: "mask2former",
  title: "Mask2Former",
  prefixes: {
    backbone: ["backbone."],
    "pixel-decoder": [`${HEAD}.pixel_decoder.`],
    "transformer-decoder": [`${HEAD}.predictor.`],
  },
  kinds: {
    backbone: "backbone",
    "pixel-decoder": "multi-scale deformable attention",
    "transformer-decoder": "masked attention",
  },
  fresh: /^sem_seg_head\.predictor\.(query_feat|query_embed|class_embed|mask_embed)\./,
  classRows: /^sem_seg_head\.predictor\.class_embed\./,
  names: {
    official: "mask2former",
    huggingface: { layout: "huggingface", architecture: "Mask2FormerForUniversalSegmentation" },
  },
  settings: {
    fields: MASK2FORMER_FIELDS,
    usual: MASK2FORMER_USUAL,
    conflicts: commonConflicts,
    encoder: mask2formerEncoder,
    model: mask2formerModel,
    least: MASK2FORMER_LEAST,
  },
  recipes: RECIPES,
  pretrains: true,
  sizes: ({ transformerDecoder: { queries, classes } }) => ({ queries, classes }),
  backbone: (p, images, options) => backbone(p.in("backbone"), images, options.backbone),
  pixelDecoder: (p, maps, options) => pixelDecoder(p.in(HEAD, "pixel_decoder"), maps, options.pixelDecoder),
  transformerDecoder(p, { multiScale, maskFeatures }, options) {
    const scope = p.in(HEAD, "predictor");
    const decoder = options.transformerDecoder;
    const queries = () => ({
      position: learnedPosition(scope, decoder),
      content: learnedContent(scope, maskFeatures.shape[0], decoder),
    });
    const predictions = transformerDecoder(scope, multiScale, maskFeatures, decoder, queries);
    return { groups: [{ name: "", objects: "matched", predictions }] };
  },
  comparison: POINTWISE_CROSS_ENTROPY,
  lossWeights: { class: 2, mask: 5, dice: 5 },
  segments: { panoptic: "won-and-claimed" },
  backboneOf: ({ backbone }) => backbone,
  withBackbone: (options, backbone) => ({ ...options, backbone }),
  forInference: (options) => ({
    ...options,
    backbone: backboneForInference(options.backbone),
    pixelDecoder: { ...options.pixelDecoder, recomputeLayers: false, recomputeRows: false, rowBytes: ROW_BYTES },
  }),
};
