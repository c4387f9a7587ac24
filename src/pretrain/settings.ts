/** @file Every setting of a pretraining run: its name, its type, what it accepts, and which settings must agree. */

import { z } from "zod";
import { show, type WhereOf } from "../core/settings-file.js";
import { type Conflict, divisors, refuseConflicts } from "../run/conflicts.js";
import { modelConflicts, modelSection } from "../run/model-settings.js";
import { optimSection, runConflicts, runFields } from "../run/optim-settings.js";
import { choice, count, insideUnit, multiple, nonNegative, onOff, positive, unit } from "../run/settings-fields.js";

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
  weights: z.string().min(1).nullable().describe("a file of weights, hf:owner/name, or null"),
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

const run = z.strictObject({
  ...runFields,
  /** Period in steps of the monitors and of the evaluation of held-out images. */
  monitorEvery: count(),
  /** The run warns of collapse below these. */
  collapse: z.strictObject({
    /** Standard deviation of the target features over positions, mean over channels. */
    featureStd: nonNegative,
    /** Effective rank of the target features (RankMe). */
    effectiveRank: nonNegative,
  }),
});

export const pretrainSchema = z.strictObject({
  model: modelSection,
  pretrain,
  backbone,
  data,
  optim: optimSection,
  run,
});

export type PretrainSettings = z.output<typeof pretrainSchema>;

/** Settings that may change when a run is resumed: they do not enter any number that the run computes. */
export const RESUMABLE_SETTINGS = ["run.cores", "run.checkpointEvery", "run.logEvery", "run.keep"] as const;

/** Side of the square map that is masked, in cells, and of the grid of its patches. */
export function maskGrid({ data, pretrain }: Pick<PretrainSettings, "data" | "pretrain">) {
  const cells = data.size / pretrain.featureStride;
  const patches = (cells / pretrain.maskPatch) ** 2;
  return { cells, patches, masked: Math.round(pretrain.maskRatio * patches) };
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
  const hasBatchNorm = model.backbone === "resnet50";
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
      fix: `Give ImageNet weights with --backbone FILE, or train the backbone from random initialisation with --set backbone.frozen=false${hasBatchNorm ? " --set model.norm=batch" : ""}.`,
    };
  }
  if (backbone.frozen && hasBatchNorm && model.norm !== "frozen") {
    yield {
      names: ["model.norm", "backbone.frozen"],
      expected: `model.norm "frozen", because the backbone is frozen`,
      found: `model.norm "${model.norm}"`,
      fix: "Set model.norm to frozen, or backbone.frozen to false.",
    };
  }
}

function* dataConflicts({ data }: PretrainSettings): Generator<Conflict> {
  const [low, high] = data.cropScale;
  if (low > high || high > 1) {
    yield { names: ["data.cropScale"], expected: "[low, high] with 0 < low <= high <= 1", found: show(data.cropScale) };
  }
}

/** Checks what the schema cannot: settings that must agree. @throws InputError for the first conflict */
export function checkAgreement(settings: PretrainSettings, whereOf: WhereOf): void {
  for (const conflicts of [modelConflicts, maskConflicts, objectiveConflicts, dataConflicts, runConflicts]) {
    refuseConflicts(conflicts(settings), whereOf);
  }
}
