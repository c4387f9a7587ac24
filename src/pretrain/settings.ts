/** @file Every setting of a pretraining run: its name, its type, what it accepts, and which settings must agree. */

import { z } from "zod";
import { InputError } from "../core/errors.js";
import { show, type WhereOf } from "../core/settings-file.js";

/** Blocks whose activations can be computed again in the backward pass instead of kept. */
export const RECOMPUTE_BLOCKS = ["backbone", "deformable-attention", "encoder-layers", "decoder-layers"] as const;

// A leaf's description is the "expected" of its error messages.
const choice = <const T extends readonly string[]>(...names: T) =>
  z.enum(names).describe(`one of ${names.map((name) => `"${name}"`).join(", ")}`);
const count = (min = 1) => z.int().min(min).describe(`a whole number, at least ${min}`);
const multiple = (of: number) => z.int().min(of).multipleOf(of).describe(`a positive multiple of ${of}`);
const positive = z.number().gt(0).describe("a number above 0");
const nonNegative = z.number().min(0).describe("a number, at least 0");
const insideUnit = z.number().gt(0).lt(1).describe("a number between 0 and 1, both excluded");
const unit = z.number().min(0).max(1).describe("a number from 0 to 1");
const onOff = z.boolean().describe("true or false");
const perStage = (item: z.ZodInt) => z.tuple([item, item, item, item]).describe(`4 numbers, each ${item.description}`);

const model = z.strictObject({
  backbone: choice("resnet50"),
  /** Batch norm of the backbone: fixed statistics and affine, or the statistics of each micro-batch. */
  norm: choice("frozen", "batch"),
  stemChannels: count(),
  stageBlocks: perStage(count()),
  stageChannels: perStage(multiple(4)), // a bottleneck has a quarter of its stage's channels
  /** C, the width of both decoders; sine and cosine of x and y share it. */
  hiddenDim: multiple(4),
  heads: count(),
  /** Sampling points per head and level of the deformable attention. */
  points: count(),
  pixelDecoderLayers: count(),
  pixelDecoderFfn: count(),
  /** L, layers of the transformer decoder. */
  decoderLayers: count(),
  decoderFfn: count(),
  /** Groups of the pixel decoder's group norms. */
  normGroups: count(),
});

const pretrain = z.strictObject({
  /** M, self-attention blocks over the masked memory. */
  selfAttentionBlocks: count(0),
  /** s_i1, stride of the pixel-decoder map that is masked and predicted. */
  featureStride: z.literal([8, 16, 32]).describe("8, 16 or 32"),
  maskRatio: insideUnit,
  /** p, side of a masked patch in cells of that map. */
  maskPatch: count(),
  /** Standard deviation of the input noise, in units of the normalised image. */
  sigma: nonNegative,
  /** Side in pixels of the square that shares one draw of the noise. */
  noiseBlock: z.literal([4, 8, 16, 32]).describe("4, 8, 16 or 32"),
  denoiseTarget: choice("noise", "image"),
  /** Positions that the predictor is asked for. */
  queries: choice("masked", "all"),
  /** Parts of the loss. */
  reconstruction: onOff,
  denoising: onOff,
  /** tau, decay of the target weights, linear over the run. */
  emaStart: unit,
  emaEnd: unit,
});

const backbone = z.strictObject({
  /** Safetensors file with the canonical names, or null for random initialisation. */
  weights: z.string().min(1).nullable().describe("the path of a safetensors file, or null"),
  frozen: onOff,
});

const data = z.strictObject({
  /** Folders of images, searched with their subfolders. */
  images: z.array(z.string().min(1)).describe("a list of folders"),
  /** Images kept out of training; their masked-prediction error is logged on monitored steps. */
  heldOut: count(0),
  /** Side of the square training crop in pixels; 32 is the stride of the deepest map. */
  size: multiple(32),
  /** Share of the image's area that a crop covers, [low, high]. */
  cropScale: z.tuple([positive, positive]).describe("2 numbers [low, high] with 0 < low <= high <= 1"),
  flip: onOff,
});

const optim = z.strictObject({
  lr: positive,
  weightDecay: nonNegative,
  /** Largest L2 norm of the whole gradient, or null. */
  clip: positive.nullable().describe("a number above 0, or null"),
  betas: z.tuple([unit.lt(1), unit.lt(1)]).describe("2 numbers from 0 to 1, 1 excluded"),
  eps: positive,
  schedule: choice("constant", "poly", "multistep", "cosine"),
  /** Share of the run with linear warm-up. */
  warmup: unit.lt(1).describe("a number from 0 to 1, 1 excluded"),
  polyPower: positive,
  /** Shares of the run at which "multistep" multiplies the learning rate by gamma. */
  milestones: z.array(insideUnit).describe("a rising list of numbers between 0 and 1"),
  gamma: positive,
  /** Learning rate of a backbone that trains, relative to lr. */
  backboneLrFactor: nonNegative,
});

const run = z.strictObject({
  batch: count(),
  /** Images in one forward and backward pass; a batch is a sum over micro-batches. */
  microBatch: count(),
  steps: count().nullable().describe("a whole number, at least 1, or null"),
  epochs: positive.nullable().describe("a number above 0, or null"),
  seed: count(0),
  device: choice("cpu", "webgpu", "cuda"),
  /** Cores to use, 0 for all. */
  cores: count(0),
  recompute: z
    .array(z.enum(RECOMPUTE_BLOCKS))
    .describe(`a list of ${RECOMPUTE_BLOCKS.map((name) => `"${name}"`).join(", ")}`),
  /** Periods in steps. */
  checkpointEvery: count(),
  logEvery: count(),
  monitorEvery: count(),
  /** Checkpoints to keep, besides the best one. */
  keep: count(),
  /** The run warns of collapse below these. */
  collapse: z.strictObject({
    /** Standard deviation of the target features over positions, mean over channels. */
    featureStd: nonNegative,
    /** Effective rank of the target features (RankMe). */
    effectiveRank: nonNegative,
  }),
});

export const pretrainSchema = z.strictObject({ model, pretrain, backbone, data, optim, run });

export type PretrainSettings = z.output<typeof pretrainSchema>;

/** Settings that may change when a run is resumed: they do not enter any number that the run computes. */
export const RESUMABLE_SETTINGS = ["run.cores", "run.checkpointEvery", "run.logEvery", "run.keep"] as const;

/** Side of the square map that is masked, in cells, and of the grid of its patches. */
export function maskGrid({ data, pretrain }: Pick<PretrainSettings, "data" | "pretrain">) {
  const cells = data.size / pretrain.featureStride;
  const patches = (cells / pretrain.maskPatch) ** 2;
  return { cells, patches, masked: Math.round(pretrain.maskRatio * patches) };
}

interface Conflict {
  /** The settings that disagree, the likeliest culprit first. */
  names: readonly string[];
  expected: string;
  found: string;
  fix?: string;
}

function divisors(n: number): string {
  return Array.from({ length: n }, (_, i) => i + 1)
    .filter((d) => n % d === 0)
    .join(", ");
}

function* modelConflicts({ model }: PretrainSettings): Generator<Conflict> {
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

function* maskConflicts(settings: PretrainSettings): Generator<Conflict> {
  const { data, pretrain } = settings;
  const { cells, patches, masked } = maskGrid(settings);
  const names = ["pretrain.maskPatch", "pretrain.maskRatio", "pretrain.featureStride", "data.size"];
  const grid = `data.size ${data.size} / pretrain.featureStride ${pretrain.featureStride}`;
  if (cells % pretrain.maskPatch !== 0) {
    yield {
      names,
      expected: `a pretrain.maskPatch that divides the ${cells}x${cells} grid of features (${grid})`,
      found: show(pretrain.maskPatch),
      fix: `These divide it: ${divisors(cells)}.`,
    };
  } else if (masked < 1 || masked >= patches) {
    yield {
      names,
      expected: "at least one masked and one visible patch",
      found: `${masked} of ${patches} masked (ratio ${pretrain.maskRatio}, patches of ${pretrain.maskPatch} in a ${cells}x${cells} grid, ${grid})`,
      fix: "Take a smaller pretrain.maskPatch.",
    };
  }
}

function* objectiveConflicts({ pretrain, backbone, model }: PretrainSettings): Generator<Conflict> {
  if (!pretrain.reconstruction && !pretrain.denoising) {
    yield {
      names: ["pretrain.reconstruction", "pretrain.denoising"],
      expected: "at least one part of the loss",
      found: "pretrain.reconstruction and pretrain.denoising both false",
    };
  }
  if (pretrain.emaStart > pretrain.emaEnd) {
    yield {
      names: ["pretrain.emaStart", "pretrain.emaEnd"],
      expected: "pretrain.emaStart <= pretrain.emaEnd",
      found: `${pretrain.emaStart} and ${pretrain.emaEnd}`,
    };
  }
  if (backbone.frozen && backbone.weights === null) {
    yield {
      names: ["backbone.frozen", "backbone.weights"],
      expected: "backbone.weights, because a frozen backbone does not learn",
      found: "backbone.frozen true and no weights",
      fix: "Give ImageNet weights with --weights FILE, or train the backbone from random initialisation with --set backbone.frozen=false --set model.norm=batch.",
    };
  }
  if (backbone.frozen && model.norm === "batch") {
    yield {
      names: ["model.norm", "backbone.frozen"],
      expected: `model.norm "frozen", because the backbone is frozen`,
      found: `model.norm "batch"`,
      fix: "Set model.norm to frozen, or backbone.frozen to false.",
    };
  }
}

function* runConflicts({ data, optim, run }: PretrainSettings): Generator<Conflict> {
  const [low, high] = data.cropScale;
  if (low > high || high > 1) {
    yield { names: ["data.cropScale"], expected: "[low, high] with 0 < low <= high <= 1", found: show(data.cropScale) };
  }
  if (optim.milestones.some((share, i) => i > 0 && share <= optim.milestones[i - 1])) {
    yield { names: ["optim.milestones"], expected: "rising optim.milestones", found: show(optim.milestones) };
  }
  if (run.batch % run.microBatch !== 0) {
    yield {
      names: ["run.microBatch", "run.batch"],
      expected: `a run.microBatch that divides run.batch = ${run.batch}`,
      found: show(run.microBatch),
      fix: `These divide it: ${divisors(run.batch)}.`,
    };
  }
  if ((run.steps === null) === (run.epochs === null)) {
    yield {
      names: ["run.steps", "run.epochs"],
      expected: "either run.steps or run.epochs, the other one null",
      found: `run.steps ${run.steps} and run.epochs ${run.epochs}`,
    };
  }
}

/** Checks what the schema cannot: settings that must agree. @throws InputError for the first conflict */
export function checkAgreement(settings: PretrainSettings, whereOf: WhereOf): void {
  for (const conflicts of [modelConflicts, maskConflicts, objectiveConflicts, runConflicts]) {
    for (const { names, ...problem } of conflicts(settings)) {
      throw new InputError({ where: whereOf(...names), ...problem });
    }
  }
}
