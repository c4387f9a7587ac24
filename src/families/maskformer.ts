/** @file MaskFormer (Cheng et al. 2021) under the names of its checkpoints. */

import { belowOne, count } from "../core/settings-fields.js";
import { PIXELWISE_FOCAL } from "../losses/focal.js";
import { type BackboneOptions, backbone, backboneForInference, type Pyramid } from "../models/backbone.js";
import { type DetrDecoderOptions, detrDecoder } from "../models/detr-decoder.js";
import { type FpnPixelDecoderOptions, fpnPixelDecoder } from "../models/fpn-pixel-decoder.js";
import type { PixelDecoderOutput } from "../models/pixel-decoder.js";
import type { Dropout } from "../nn/dropout.js";
import type { Scope } from "../nn/scope.js";
import { drawFactors, dropoutOf, droppedInputsOf, placeholderMaps } from "./dropout.js";
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
import { type MicroBatchShape, type OwnInput, type Training, undrawn } from "./training.js";

export interface MaskFormerEncoder {
  readonly backbone: BackboneOptions;
  readonly pixelDecoder: FpnPixelDecoderOptions;
}

export interface MaskFormerOptions extends MaskFormerEncoder {
  readonly transformerDecoder: DetrDecoderOptions;
  /** Share of what both transformers compute that training drops. */
  readonly dropout: number;
}

const FIELDS = {
  ...COMMON_FIELDS,
  dropout: belowOne("Share of what both transformers compute that is dropped in training."),
  encoderLayers: count(
    { min: 0, max: 64 },
    "Layers of the transformer encoder over the coarsest map, in the pixel decoder; 0 for a plain feature pyramid.",
  ),
};

export type MaskFormerSettings = ValuesOf<typeof FIELDS>;

function encoder(settings: MaskFormerSettings, { backbone, recompute }: EncoderFrame): MaskFormerEncoder {
  const { hiddenDim, maskDim, heads, decoderFfn, normGroups, encoderLayers } = settings;
  return {
    backbone,
    pixelDecoder: {
      width: hiddenDim,
      maskDim: maskDim ?? hiddenDim,
      normGroups,
      ...(encoderLayers > 0 && {
        encoder: {
          layers: encoderLayers,
          heads,
          feedForwardDim: decoderFfn, // one setting for both transformers, as in the official code
          recomputeLayers: recompute.includes("encoder-layers"),
        },
      }),
    },
  };
}

function model(settings: MaskFormerSettings, frame: ModelFrame): MaskFormerOptions {
  const { hiddenDim, maskDim, heads, decoderLayers, decoderFfn } = settings;
  return {
    ...encoder(settings, frame),
    transformerDecoder: {
      hiddenDim,
      maskDim: maskDim ?? hiddenDim,
      queries: frame.queries,
      layers: decoderLayers,
      classes: frame.classes,
      heads,
      feedForwardDim: decoderFfn,
      recomputeLayers: frame.recompute.includes("decoder-layers"),
    },
    dropout: settings.dropout,
  };
}

/** Matrices of the pyramid and both transformers; what the encoder and the finest level keep. */
const LEAST: LeastNumbers<MaskFormerSettings> = {
  weights({ hiddenDim: c, encoderLayers, decoderLayers, decoderFfn }) {
    const feedForward = 2 * c * decoderFfn;
    return 27 * c * c + encoderLayers * (4 * c * c + feedForward) + decoderLayers * (8 * c * c + feedForward);
  },
  activations({ hiddenDim: c, encoderLayers, decoderFfn }, [height, width], recompute) {
    const layer = recompute.includes("encoder-layers") ? c : 4 * c + decoderFfn;
    return encoderLayers * layer * ((height * width) / 1024) + (height * width * c) / 8;
  },
};

const ADE20K_STEPS = 160_000;
const COCO_STEPS = 554_400;

const RESNET_101 = { stageBlocks: [3, 4, 23, 3] };
const WITH_ENCODER = { encoderLayers: 6 };

const OF_RESNET = { lr: 1e-4, weightDecay: 1e-4 };
/** 1,500 steps of warming up. */
const ofSwin = (steps: number) => ({ lr: 6e-5, weightDecay: 0.01, backboneLrFactor: 1, warmup: 1500 / steps });

const ADE20K_PANOPTIC = { run: { steps: 720_000 }, inference: { objectThreshold: 0.7 } };

/**
 * The lengths of DETR. [choice] The official code trains on images of many sizes, half of them cut before they are
 * resized; here all have one size, to which tall ones are cut.
 */
const COCO = {
  data: {
    view: "shortest-edge",
    crop: [800, 1344],
    shortEdges: Array.from({ length: 11 }, (_, i) => 480 + 32 * i),
    longEdge: 1333,
  },
  run: { batch: 64, steps: COCO_STEPS },
};
const COCO_SCHEDULE = { schedule: "multistep", milestones: [369_600 / COCO_STEPS] };

function recipe(
  backbone: "r50" | "r101" | "swin-t",
  data: Recipe["data"],
  task: Recipe["task"],
  { model, optim, ...settings }: Recipe["settings"] = {},
): Recipe {
  const ofBackbone = backbone === "r101" ? RESNET_101 : {};
  return {
    name: `${backbone}-${data}-${task}`,
    backbone: backbone === "swin-t" ? "swin" : "resnet50",
    data,
    task,
    settings: {
      model: { ...ofBackbone, ...model },
      optim: { ...OF_RESNET, ...optim },
      ...settings,
    },
  };
}

/** The zoo's models with these backbones on data that there are readers for. */
const RECIPES: readonly Recipe[] = [
  recipe("r50", "ade20k", "semantic"),
  recipe("r101", "ade20k", "semantic"),
  recipe("swin-t", "ade20k", "semantic", { optim: ofSwin(ADE20K_STEPS) }),
  recipe("r50", "ade20k", "panoptic", { ...ADE20K_PANOPTIC, model: WITH_ENCODER }),
  recipe("r101", "ade20k", "panoptic", { ...ADE20K_PANOPTIC, model: WITH_ENCODER }),
  recipe("r101", "cityscapes", "semantic", { model: { norm: "frozen" } }),
  recipe("r50", "coco", "panoptic", { ...COCO, optim: COCO_SCHEDULE, model: WITH_ENCODER }),
  recipe("r101", "coco", "panoptic", { ...COCO, optim: COCO_SCHEDULE, model: WITH_ENCODER }),
  recipe("swin-t", "coco", "panoptic", { ...COCO, optim: { ...COCO_SCHEDULE, ...ofSwin(COCO_STEPS) } }),
];

const HEAD = "sem_seg_head";

const pixelDecoder = (p: Scope, maps: Pyramid, { pixelDecoder: options }: MaskFormerEncoder, dropout: Dropout) =>
  fpnPixelDecoder(p.in(HEAD, "pixel_decoder"), maps, options, dropout.in("pixel decoder"));

function transformerDecoder(p: Scope, features: PixelDecoderOutput, model: MaskFormerOptions, dropout: Dropout) {
  const [memory] = features.multiScale;
  const { transformerDecoder: options } = model;
  return detrDecoder(
    p.in(HEAD, "predictor"),
    memory,
    features.maskFeatures,
    options,
    dropout.in("transformer decoder"),
  );
}

/** What both transformers drop. */
function dropped(model: MaskFormerOptions, shape: MicroBatchShape): ReadonlyMap<string, OwnInput> {
  if (model.dropout === 0) return new Map();
  return droppedInputsOf(model, shape, (p, graph, dropout) => {
    const features = pixelDecoder(p, placeholderMaps(graph, model.backbone, shape), model, dropout);
    transformerDecoder(p, features, model, dropout);
  });
}

const training: Training<MaskFormerOptions> = {
  inputs: dropped,
  draw(model, batch) {
    const ofOne = dropped(model, { images: 1, size: batch.size });
    return { ...undrawn(batch), inputs: (...images) => drawFactors(ofOne, model.dropout, batch, images) };
  },
};

export const maskformer: Family<MaskFormerSettings, MaskFormerEncoder, MaskFormerOptions> = {
  name: "maskformer",
  title: "MaskFormer",
  prefixes: {
    backbone: ["backbone."],
    "pixel-decoder": [`${HEAD}.pixel_decoder.`],
    "transformer-decoder": [`${HEAD}.predictor.`],
  },
  kinds: {
    backbone: "backbone",
    "pixel-decoder": "a feature pyramid",
    "transformer-decoder": "attention to all of one map",
  },
  fresh: /^sem_seg_head\.predictor\.(query_embed|class_embed|mask_embed)\./,
  classRows: /^sem_seg_head\.predictor\.class_embed\./,
  names: {
    official: "maskformer",
    huggingface: { layout: "huggingface-maskformer", architecture: "MaskFormerForInstanceSegmentation" },
  },
  settings: {
    fields: FIELDS,
    usual: {
      hiddenDim: 256,
      maskDim: null,
      heads: 8,
      decoderLayers: 6,
      decoderFfn: 2048,
      normGroups: 32,
      dropout: 0.1,
      encoderLayers: 0,
    },
    conflicts: commonConflicts,
    encoder,
    model,
    least: LEAST,
  },
  recipes: RECIPES,
  pretrains: false,
  sizes: ({ transformerDecoder: { queries, classes } }) => ({ queries, classes }),
  backbone: (p, images, options) => backbone(p.in("backbone"), images, options.backbone),
  pixelDecoder: (p, maps, options, inputs) => pixelDecoder(p, maps, options, dropoutOf(inputs)),
  transformerDecoder(p, features, options, inputs) {
    const predictions = transformerDecoder(p, features, options, dropoutOf(inputs));
    return { groups: [{ name: "", objects: "matched", predictions }] };
  },
  training,
  comparison: PIXELWISE_FOCAL,
  lossWeights: { class: 1, mask: 20, dice: 1 },
  // The official code has no instances; transformers takes them as Mask2Former does.
  segments: { panoptic: "won" },
  backboneOf: ({ backbone }) => backbone,
  withBackbone: (options, backbone) => ({ ...options, backbone }),
  forInference: (options) => ({
    ...options,
    backbone: backboneForInference(options.backbone),
    pixelDecoder: {
      ...options.pixelDecoder,
      ...(options.pixelDecoder.encoder && { encoder: { ...options.pixelDecoder.encoder, recomputeLayers: false } }),
    },
  }),
};
