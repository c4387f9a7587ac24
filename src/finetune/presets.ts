/** @file The presets: one table of published numbers (Mask2Former's configs/), and small ones that a CPU can train. */

import { USUAL_SPLITS } from "../data/datasets/data-set.js";
import { FAMILY_NAMES, type FamilyName, familyOf } from "../families/families.js";
import type { Recipe } from "../families/settings.js";
import type { Task } from "../masks/segmentation.js";
import { BACKBONES, TINY_MODEL } from "../run/model-presets.js";
import type { ModelSettings } from "../run/model-settings.js";
import type { FinetuneSettings } from "./settings.js";

type Differences<T> = {
  [K in keyof T]?: T[K] extends readonly unknown[] ? T[K] : T[K] extends object ? Differences<T[K]> : T[K];
};
type Sections = Omit<FinetuneSettings, "model">;

/** The 16 lengths of the shorter side: int(x * 0.1 * size) for x = 5..20. */
const shortEdges = (size: number) => Array.from({ length: 16 }, (_, i) => Math.trunc((i + 5) * 0.1 * size));

/** Every number that the recipes share, Mask2Former's; those of ADE20K's semantic one where they differ. */
const BASE: Sections = {
  decoder: { queries: 100 },
  criterion: {
    points: 12544,
    oversampling: 3,
    importance: 0.75,
    classWeight: 2,
    maskWeight: 5,
    diceWeight: 5,
    noObject: 0.1,
  },
  data: {
    path: null,
    root: null,
    task: null,
    trainSplit: USUAL_SPLITS.train,
    valSplit: USUAL_SPLITS.val,
    labels: "100%",
    labelsSeed: 0,
    view: "shortest-edge",
    crop: [512, 512],
    shortEdges: shortEdges(512),
    longEdge: 2048,
    jitter: [0.1, 2],
    colorJitter: true,
    flip: true,
    keepEmpty: true,
  },
  from: {
    run: null,
    step: null,
    part: null,
    parts: ["backbone", "pixel-decoder", "transformer-decoder"],
    classes: "same",
  },
  optim: {
    lr: 1e-4, // 2e-4 from pretrained weights
    weightDecay: 0.05,
    clip: 0.01,
    betas: [0.9, 0.999],
    eps: 1e-8,
    schedule: "poly",
    warmup: 0,
    polyPower: 0.9,
    milestones: [],
    gamma: 0.1,
    backboneLrFactor: 0.1,
    freeze: [],
    pixelDecoderLrFactor: 1,
    transformerDecoderLrFactor: 1,
  },
  inference: { shortEdge: 512, longEdge: 2048, window: 0, objectThreshold: 0.8, overlapThreshold: 0.8, topK: 100 },
  run: {
    batch: 16,
    microBatch: 1,
    steps: 160_000,
    epochs: null,
    seed: 0,
    device: "cpu",
    cores: 0,
    recompute: ["deformable-attention"],
    checkpointEvery: 5000,
    logEvery: 20,
    keep: 2,
    evaluateEvery: 5000,
    evaluateImages: 0,
  },
};

/** ADE20K panoptic and instance: 640 pixels instead of 512. */
const ADE20K_640: Differences<Sections> = {
  data: { crop: [640, 640], shortEdges: shortEdges(640), longEdge: 2560 },
  inference: { shortEdge: 640, longEdge: 2560 },
};

const CITYSCAPES: Differences<Sections> = {
  data: { crop: [512, 1024], shortEdges: shortEdges(1024), longEdge: 4096 },
  inference: { shortEdge: 1024, longEdge: 2048 },
  run: { steps: 90_000 },
};

/** Large-scale jitter without colours, 50 epochs; at test time detectron2's default sizes. */
const COCO: Differences<Sections> = {
  data: { view: "large-scale-jitter", crop: [1024, 1024], colorJitter: false },
  optim: { schedule: "multistep", milestones: [327_778 / 368_750, 355_092 / 368_750] },
  inference: { shortEdge: 800, longEdge: 1333 },
  run: { steps: 368_750 },
};

const DATA: Record<Recipe["data"], Record<Task, Differences<Sections>>> = {
  ade20k: { semantic: {}, instance: ADE20K_640, panoptic: ADE20K_640 },
  cityscapes: { semantic: CITYSCAPES, instance: CITYSCAPES, panoptic: CITYSCAPES },
  coco: {
    semantic: COCO, // [choice] Mask2Former publishes no semantic recipe on COCO: the panoptic one
    instance: { ...COCO, data: { ...COCO.data, keepEmpty: false } },
    panoptic: COCO,
  },
};

/** Those numbers with differences over each section, later ones over earlier ones. */
function derive(model: ModelSettings, ...differences: Differences<Sections>[]): FinetuneSettings {
  const section = <K extends keyof Sections>(key: K): Sections[K] =>
    Object.assign({}, BASE[key], ...differences.map((difference) => difference[key] ?? {}));
  return {
    model,
    decoder: section("decoder"),
    criterion: section("criterion"),
    data: section("data"),
    from: section("from"),
    optim: section("optim"),
    inference: section("inference"),
    run: section("run"),
  };
}

/** Cityscapes trains the batch norms (SyncBN), the others keep them fixed. */
function backboneOf({ backbone, data }: Recipe) {
  const usual = BACKBONES[backbone];
  return usual.backbone === "resnet50" && data === "cityscapes" ? { ...usual, norm: "batch" as const } : usual;
}

/** The weights of a family's losses as settings. */
export function lossWeightsOf(family: FamilyName): Differences<FinetuneSettings["criterion"]> {
  const { class: classWeight, mask: maskWeight, dice: diceWeight } = familyOf({ family }).lossWeights;
  return { classWeight, maskWeight, diceWeight };
}

/** A recipe of a family over those of Mask2Former for the same data. */
function published(family: FamilyName, recipe: Recipe): FinetuneSettings {
  const { model: ofModel, ...settings } = recipe.settings;
  const model = { ...backboneOf(recipe), family, ...familyOf({ family }).settings.usual, ...ofModel } as ModelSettings;
  const own = { criterion: lossWeightsOf(family), data: { task: recipe.task } };
  return derive(model, DATA[recipe.data][recipe.sizes ?? recipe.task], own, settings as Differences<Sections>);
}

const PUBLISHED: Readonly<Record<string, FinetuneSettings>> = Object.fromEntries(
  FAMILY_NAMES.flatMap((family) =>
    familyOf({ family }).recipes.map((recipe) => [`${family}-${recipe.name}`, published(family, recipe)] as const),
  ),
);

/** A model and a schedule that two cores train in minutes, for data of any kind; everything starts at random. */
const SMALL: Differences<Sections> = {
  criterion: { points: 3136 }, // 56 x 56: masks have 64 x 64 cells
  data: { view: "large-scale-jitter", crop: [256, 256], jitter: [0.6, 1.6], colorJitter: false },
  optim: { lr: 1e-3, warmup: 0.02, backboneLrFactor: 1 },
  inference: { shortEdge: 256, longEdge: 1024 },
  run: { batch: 8, microBatch: 4, steps: 1000, checkpointEvery: 200, logEvery: 1, evaluateEvery: 250 },
};

const small = (...differences: Differences<Sections>[]) => derive(TINY_MODEL, SMALL, ...differences);

/** Whether a preset's numbers are those of a paper. */
export const isPublished = (name: string) => Object.hasOwn(PUBLISHED, name);

/** The presets of fine-tuning by name. */
export const PRESETS: Readonly<Record<string, FinetuneSettings>> = {
  small: small(),
  // A short training makes no query as sure of its class as the recipes' 0.8.
  scenes: small({
    criterion: { points: 1024 },
    data: { task: "panoptic", crop: [128, 128] },
    inference: { shortEdge: 128, objectThreshold: 0.4 },
  }),
  // A nucleus of 300 pixels among 256 x 256 is met by 5 of 1024 random points: matched by chance, trained by almost
  // none. So images are seen at twice their size, a crop of some ten nuclei at a time, and predicted in such windows.
  // Dark and bright images in batches of two do not agree with any running statistics: a norm of each image by itself.
  dsb2018: derive({ ...TINY_MODEL, norm: "group", normGroups: 8 }, SMALL, {
    data: { task: "instance", keepEmpty: false, jitter: [1.6, 2.5] },
    inference: { shortEdge: 448, longEdge: 600, window: 256 },
    run: { batch: 4, microBatch: 2, steps: 10_000, checkpointEvery: 500, evaluateEvery: 2500 },
  }),
  camvid: small({
    data: { task: "semantic", crop: [256, 320] },
    run: { batch: 4, microBatch: 4, steps: 1400, checkpointEvery: 350, evaluateEvery: 350 },
  }),
  ...PUBLISHED,
};

export const PRESET_NAMES = Object.keys(PRESETS);
