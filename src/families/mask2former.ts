/** @file Mask2Former (Cheng et al. 2022) under the names of its checkpoints. */

import { POINTWISE_CROSS_ENTROPY } from "../losses/mask-comparison.js";
import { TASKS } from "../masks/segmentation.js";
import { type BackboneOptions, backbone, backboneForInference } from "../models/backbone.js";
import { type PixelDecoderOptions, pixelDecoder } from "../models/pixel-decoder.js";
import { type TransformerDecoderOptions, transformerDecoder } from "../models/transformer-decoder.js";
import type { Family } from "./family.js";

export interface Mask2FormerEncoder {
  readonly backbone: BackboneOptions;
  readonly pixelDecoder: PixelDecoderOptions;
}

export interface Mask2FormerOptions extends Mask2FormerEncoder {
  readonly transformerDecoder: TransformerDecoderOptions;
}

const HEAD = "sem_seg_head";

/** Sampled rows of deformable attention in memory at once: all of a layer's would be 1 GB for 800 x 1216 pixels. */
const ROW_BYTES = 2 ** 23;

export const mask2former: Family<Mask2FormerEncoder, Mask2FormerOptions> = {
  name: "mask2former",
  title: "Mask2Former",
  prefixes: {
    backbone: "backbone.",
    "pixel-decoder": `${HEAD}.pixel_decoder.`,
    "transformer-decoder": `${HEAD}.predictor.`,
  },
  kinds: {
    backbone: "backbone",
    "pixel-decoder": "multi-scale deformable attention",
    "transformer-decoder": "masked attention",
  },
  fresh: /^sem_seg_head\.predictor\.(query_feat|query_embed|class_embed|mask_embed)\./,
  names: {
    official: "mask2former",
    huggingface: { layout: "huggingface", architecture: "Mask2FormerForUniversalSegmentation" },
  },
  sizes: ({ transformerDecoder: { queries, classes } }) => ({ queries, classes }),
  backbone: (p, images, options) => backbone(p.in("backbone"), images, options.backbone),
  pixelDecoder: (p, maps, options) => pixelDecoder(p.in(HEAD, "pixel_decoder"), maps, options.pixelDecoder),
  transformerDecoder(p, { multiScale, maskFeatures }, options) {
    const scope = p.in(HEAD, "predictor");
    const predictions = transformerDecoder(scope, multiScale, maskFeatures, options.transformerDecoder);
    return { groups: [{ name: "", objects: "matched", predictions }] };
  },
  comparison: POINTWISE_CROSS_ENTROPY,
  segments: { tasks: TASKS, panoptic: "won-and-claimed" },
  backboneOf: ({ backbone }) => backbone,
  withBackbone: (options, backbone) => ({ ...options, backbone }),
  forInference: (options) => ({
    ...options,
    backbone: backboneForInference(options.backbone),
    pixelDecoder: { ...options.pixelDecoder, recomputeLayers: false, recomputeRows: false, rowBytes: ROW_BYTES },
  }),
};
