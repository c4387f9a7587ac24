/** @file The presets: one table of numbers. A derived preset states only what differs. */

import { BACKBONES, DECODERS, TINY_MODEL } from "../run/model-presets.js";
import type { PretrainSettings } from "./settings.js";

type Differences<T> = {
  [K in keyof T]?: T[K] extends readonly unknown[] ? T[K] : T[K] extends object ? Differences<T[K]> : T[K];
};
type Sections = Omit<PretrainSettings, "model">;

/** Every number of the paper; what the paper leaves open is marked [choice]. Needs ImageNet weights (`--backbone`). */
const PAPER_R50: PretrainSettings = {
  model: { ...BACKBONES.resnet50, ...DECODERS },
  pretrain: {
    selfAttentionBlocks: 2,
    featureStride: 8,
    maskRatio: 0.5,
    maskPatch: 8,
    sigma: 0.4,
    noiseBlock: 4,
    denoiseTarget: "noise",
    targetNorm: "channels",
    queries: "masked", // [choice] the loss is there alone
    reconstruction: true,
    denoising: true,
    emaStart: 0.996,
    emaEnd: 1,
  },
  backbone: { weights: null, frozen: true },
  from: { run: null, step: null, part: null },
  // [choice] augmentation.
  data: { images: [], heldOut: 8, size: 512, cropScale: [0.35, 1], flip: true, whiteLevel: null },
  optim: {
    lr: 1e-4,
    weightDecay: 0.05, // [choice]
    clip: 0.01, // [choice]
    betas: [0.9, 0.999],
    eps: 1e-8,
    schedule: "constant", // [choice]
    warmup: 0.01, // [choice]
    polyPower: 0.9,
    milestones: [0.889, 0.963], // of Mask2Former on COCO
    gamma: 0.1,
    backboneLrFactor: 1,
    pixelDecoderLrFactor: 1,
    transformerDecoderLrFactor: 1,
  },
  run: {
    batch: 32,
    microBatch: 1,
    steps: null,
    epochs: 5,
    seed: 0,
    device: "cpu",
    cores: 0,
    recompute: ["deformable-attention"], // its sampled rows: a third of the activations, for a copy
    checkpointEvery: 1000,
    logEvery: 1,
    monitorEvery: 100,
    keep: 2,
    collapse: {
      featureStd: 0.05,
      effectiveRank: 4,
      stdOfStart: 0.4,
      rankOfStart: 0.3,
      meanErrorOfStart: 0.24,
      unexplainedSteps: 5000,
    },
  },
  probe: { data: null, root: null, every: 1000, images: 64 },
};

/** The paper's model at sizes that a CPU can train, from random initialisation: the mask grid keeps its 8x8 patches. */
const ON_A_CPU: Differences<Sections> = {
  pretrain: { maskPatch: 4 },
  backbone: { frozen: false },
  data: { size: 256 },
  run: {
    batch: 8,
    steps: 1000,
    epochs: null,
    checkpointEvery: 50,
    monitorEvery: 10,
    collapse: { unexplainedSteps: 500 },
  },
  probe: { every: 100, images: 32 },
};

const TINY: Differences<Sections> = {
  // From random weights either target of denoising costs F_last its directions (docs/method.md).
  pretrain: { maskPatch: 2, denoising: false },
  backbone: { frozen: false },
  data: { size: 128 },
  optim: { lr: 1e-3 },
  run: {
    batch: 4,
    steps: 500,
    epochs: null,
    checkpointEvery: 100,
    monitorEvery: 20,
    collapse: { unexplainedSteps: 300 },
  },
  probe: { every: 100, images: 32 },
};

/** A model, and the paper's settings with one section's differences over each. */
function derive(model: PretrainSettings["model"], differences: Differences<Sections>): PretrainSettings {
  const { pretrain, backbone, data, optim, run, probe } = differences;
  const base = PAPER_R50;
  return {
    model,
    pretrain: { ...base.pretrain, ...pretrain },
    backbone: { ...base.backbone, ...backbone },
    from: base.from,
    data: { ...base.data, ...data },
    optim: { ...base.optim, ...optim },
    run: { ...base.run, ...run, collapse: { ...base.run.collapse, ...run?.collapse } },
    probe: { ...base.probe, ...probe },
  };
}

const SWIN_T = { ...BACKBONES.swin, ...DECODERS };

/** The presets of pretraining by name. */
export const PRESETS = {
  "paper-r50": PAPER_R50,
  "paper-swin-t": derive(SWIN_T, {}),
  r50: derive({ ...BACKBONES.resnet50, ...DECODERS, norm: "batch" }, ON_A_CPU),
  "swin-t": derive(SWIN_T, ON_A_CPU),
  tiny: derive(TINY_MODEL, TINY),
} as const;

export type PresetName = keyof typeof PRESETS;
/** Their names. */
export const PRESET_NAMES = Object.keys(PRESETS) as PresetName[];
