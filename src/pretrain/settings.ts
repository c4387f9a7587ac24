/** @file Every setting of a pretraining run: its name, its type, what it accepts, and which settings must agree. */

import { z } from "zod";
import type { WhiteLevel } from "../core/image-decoder.js";
import { type Conflict, divisors, refuseConflicts } from "../core/settings-conflicts.js";
import {
  added,
  choice,
  count,
  insideUnit,
  MAX_STEPS,
  multiple,
  nonNegative,
  onOff,
  orNull,
  path,
  period,
  positive,
  setting,
  unit,
} from "../core/settings-fields.js";
import type { WhereOf } from "../core/settings-file.js";
import { show } from "../core/show.js";
import { fromFields } from "../run/from-settings.js";
import { type StepSize, sizeConflicts } from "../run/memory-floor.js";
import { modelConflicts, pretrainedModelSection } from "../run/model-settings.js";
import { optimSection, RESUMABLE_RUN_SETTINGS, runConflicts, runFields } from "../run/optim-settings.js";
import { maskGrid } from "./draws.js";

const pretrain = z.strictObject({
  selfAttentionBlocks: count({ min: 0, max: 64 }, "M, self-attention blocks over the masked memory."),
  featureStride: setting(
    z.literal([8, 16, 32]),
    "8, 16 or 32",
    "s_i1, stride of the pixel decoder's map that is masked and predicted.",
  ),
  maskRatio: insideUnit("Share of the patches of that map that are masked."),
  maskPatch: count({ max: 512 }, "p, side of a masked patch in cells of that map."),
  sigma: nonNegative("Standard deviation of the noise on the input, in units of the normalised image."),
  noiseBlock: setting(
    z.literal([4, 8, 16, 32]),
    "4, 8, 16 or 32",
    "Side in pixels of the square that shares one draw of the noise.",
  ),
  denoiseTarget: choice(["noise", "image"], "What the finest map is asked for: the noise, or the image without it."),
  targetNorm: added(
    choice(
      ["channels", "positions", "both"],
      "What the target features are normalised over: the channels of each position (the paper's layer norm), " +
        "the positions of each channel, which keeps its spread, or first the one, then the other.",
    ),
    "channels",
  ),
  queries: choice(["masked", "all"], "Positions that the predictor is asked for; the loss is on the masked ones."),
  reconstruction: onOff("Whether the prediction of masked features is a part of the loss."),
  denoising: onOff("Whether denoising is a part of the loss."),
  emaStart: unit("tau, decay of the target's weights, at the start; linear over the run."),
  emaEnd: unit("tau at the end of the run."),
});

const backbone = z.strictObject({
  weights: orNull(
    setting(
      z.string().min(1),
      "a file of weights, hf:owner/name",
      "Weights that the backbone starts from, of any format that `mask-jepa convert` reads; null for random ones.",
    ),
  ),
  frozen: onOff("Whether the backbone stays as it is."),
});

const data = z.strictObject({
  images: setting(
    z.array(z.string().min(1)),
    "a list of folders",
    "Folders of images, searched with their subfolders.",
  ),
  heldOut: count(
    { min: 0, max: 10_000 },
    "Images kept out of training; their masked-prediction error is logged on monitored steps.",
  ),
  size: multiple(32, { max: 2048 }, "Side in pixels of the square crops to train on."),
  cropScale: setting(
    z.tuple([z.number().gt(0), z.number().gt(0)]),
    "2 numbers [low, high] with 0 < low <= high <= 1",
    "Share of an image's area that a crop covers.",
  ),
  flip: onOff("Whether half of the crops are mirrored."),
  whiteLevel: added(
    orNull(
      positive(
        "Sample that is white in images of more than 8 bits, e.g. 4095 for 12 bits stored in 16; null for what " +
          "the file says, or the whole range.",
      ),
    ),
    null,
  ),
});

const run = z.strictObject({
  ...runFields,
  monitorEvery: period(
    "Steps between evaluations of the held-out images; the features that alarms look at are measured every 25 " +
      "steps at least.",
  ),
  collapse: z.strictObject({
    featureStd: nonNegative("The run warns of collapse below this deviation of the target features."),
    effectiveRank: nonNegative("The run warns of collapse below this effective rank of the target features (RankMe)."),
    stdOfStart: added(unit("The same, as a share of the deviation at the start; 0 for never."), 0.4),
    rankOfStart: added(
      unit(
        "The same, as a share of the effective rank at the start, of the target features and of F_last; 0 for never.",
      ),
      0.3,
    ),
    meanErrorOfStart: added(
      unit(
        "The run warns of predictions that are good because the target shrank: below this share of the error of " +
          "predicting its mean at the start; 0 for never.",
      ),
      0.24,
    ),
    unexplainedSteps: added(
      count(
        { min: 0, max: MAX_STEPS },
        "The run warns when masked features were predicted worse than by their mean for so many steps; 0 for never.",
      ),
      1000,
    ),
  }),
});

const probe = z.strictObject({
  data: added(
    orNull(
      path("Labelled data that features are probed with: a folder, or a YAML file that describes it; null for none."),
    ),
    null,
  ),
  root: added(orNull(path("The data's folder, in place of the one that the YAML file names.")), null),
  every: added(period("Steps between probes; the best checkpoint is the one that the probe scores best."), 500),
  images: added(
    count(
      { max: 1000 },
      "Images of the training split that a probe learns from, and of the validation split to score on.",
    ),
    32,
  ),
});

const from = z.strictObject(fromFields);

export const pretrainSchema = z.strictObject({
  model: pretrainedModelSection,
  pretrain,
  backbone,
  from,
  data,
  optim: optimSection,
  run,
  probe,
});

/** All settings of a pretraining run; `mask-jepa settings pretrain` prints them with their meaning. */
export type PretrainSettings = z.output<typeof pretrainSchema>;

/** Settings that may change when a run is resumed: no step that it has taken depends on them. */
export const RESUMABLE_SETTINGS = [
  ...RESUMABLE_RUN_SETTINGS,
  "run.monitorEvery",
  "probe.data",
  "probe.root",
  "probe.every",
  "probe.images",
  "run.collapse.featureStd",
  "run.collapse.effectiveRank",
  "run.collapse.stdOfStart",
  "run.collapse.rankOfStart",
  "run.collapse.meanErrorOfStart",
  "run.collapse.unexplainedSteps",
] as const;

/** What is white in the images of a run, and how that is set. */
export function whiteOf({ data }: PretrainSettings): WhiteLevel {
  return { value: data.whiteLevel ?? undefined, setting: "data.whiteLevel" };
}

/** For the check that a step fits into memory. */
export const stepSizeOf = ({ model, run, data }: PretrainSettings): StepSize => ({
  model,
  run,
  size: [data.size, data.size],
  keptImages: data.heldOut,
});

function* maskConflicts(settings: PretrainSettings): Generator<Conflict> {
  const { data, pretrain } = settings;
  const cells = data.size / pretrain.featureStride;
  const patches = (cells / pretrain.maskPatch) ** 2;
  const masked = maskGrid(cells, pretrain.maskPatch, pretrain.maskRatio).patches;
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
      found:
        `${masked} of ${patches} masked (ratio ${pretrain.maskRatio}, patches of ${pretrain.maskPatch} in a ` +
        `${cells}x${cells} grid, ${grid})`,
      fix: "Take a smaller pretrain.maskPatch.",
    };
  }
}

function* objectiveConflicts({ pretrain, backbone, from, model }: PretrainSettings): Generator<Conflict> {
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
  if (from.run !== null && backbone.weights !== null) {
    yield {
      names: ["from.run", "backbone.weights"],
      expected: "either from.run or backbone.weights, the other one null",
      found: "both",
    };
  }
  if (backbone.frozen && backbone.weights === null && from.run === null) {
    yield {
      names: ["backbone.frozen", "backbone.weights"],
      expected: "backbone.weights, because a frozen backbone does not learn",
      found: "backbone.frozen true and no weights",
      fix:
        "Give ImageNet weights with --backbone FILE, or train the backbone from random initialisation with --set " +
        `backbone.frozen=false${hasBatchNorm ? " --set model.norm=batch" : ""}.`,
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

function* dataConflicts(settings: PretrainSettings): Generator<Conflict> {
  const { data, probe } = settings;
  yield* sizeConflicts(stepSizeOf(settings), "data.size");
  const [low, high] = data.cropScale;
  if (low > high || high > 1) {
    yield { names: ["data.cropScale"], expected: "[low, high] with 0 < low <= high <= 1", found: show(data.cropScale) };
  }
  if (probe.root !== null && probe.data === null) {
    const expected = "probe.data, the labelled data whose folder probe.root means";
    yield { names: ["probe.root", "probe.data"], expected, found: `probe.root ${probe.root} and no data` };
  }
}

/** Checks what the schema cannot: settings that must agree. @throws InputError for the first conflict */
export function checkAgreement(settings: PretrainSettings, whereOf: WhereOf): void {
  for (const conflicts of [modelConflicts, maskConflicts, objectiveConflicts, dataConflicts, runConflicts]) {
    refuseConflicts(conflicts(settings), whereOf);
  }
}
