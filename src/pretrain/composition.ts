/**
 * @file From the settings of a pretraining run to the options of its parts. Below this file nobody sees a settings
 * object.
 */

import type { Reporter } from "../core/reporter.js";
import { familyOf } from "../families/families.js";
import { encoderArchitecture } from "../run/architecture.js";
import { optimOptions } from "../run/optim-options.js";
import type { Runtime } from "../runtime/contract.js";
import type { TrainingState } from "../train/training-state.js";
import { maskGrid } from "./draws.js";
import type { DryRunOptions } from "./dry-run.js";
import type { FeaturePictureOptions } from "./feature-pictures.js";
import type { HeldOutOptions } from "./held-out.js";
import { OWN_PREFIX } from "./method.js";
import { Pretrainer, type PretrainerOptions, type StartingValues } from "./pretrainer.js";
import type { StepOptions } from "./programs.js";
import type { PretrainSettings } from "./settings.js";
import { startingWeights, type WeightsOptions } from "./starting-weights.js";

export function stepOptions({ model, pretrain, backbone, data, run }: PretrainSettings): StepOptions {
  return {
    encoder: encoderArchitecture(model, run.recompute),
    method: {
      predictor: {
        heads: model.heads,
        feedForwardDim: model.decoderFfn,
        layers: model.decoderLayers,
        selfAttentionBlocks: pretrain.selfAttentionBlocks,
        recomputeLayers: run.recompute.includes("decoder-layers"),
      },
      featureStride: pretrain.featureStride,
      reconstruction: pretrain.reconstruction,
      denoising: pretrain.denoising,
      denoiseTarget: pretrain.denoiseTarget,
      targetNorm: pretrain.targetNorm,
      queries: pretrain.queries,
    },
    channels: model.hiddenDim,
    mask: maskGrid(data.size / pretrain.featureStride, pretrain.maskPatch, pretrain.maskRatio),
    noise: { sigma: pretrain.sigma, block: pretrain.noiseBlock },
    images: run.microBatch,
    size: data.size,
    frozenBackbone: backbone.frozen,
  };
}

/** `steps`: length of the whole run. */
export function pretrainerOptions(settings: PretrainSettings, steps: number): PretrainerOptions {
  const { model, pretrain, run } = settings;
  return {
    step: stepOptions(settings),
    average: { start: pretrain.emaStart, end: pretrain.emaEnd },
    optim: optimOptions(settings.optim, familyOf(model).prefixes, [OWN_PREFIX]),
    steps,
    seed: run.seed,
    batch: run.batch,
  };
}

/**
 * A pretrainer for a run of `steps` steps, which goes on from `state`, or begins with the weights that the settings
 * say.
 * @throws InputError when weights are to come from a file or a run that does not fit
 */
export function createPretrainer(
  runtime: Runtime,
  settings: PretrainSettings,
  { steps, state, reporter }: { readonly steps: number; readonly state?: TrainingState; readonly reporter?: Reporter },
): Promise<Pretrainer> {
  const begin: StartingValues = (declared) => startingWeights(weightsOptions(settings), declared, reporter);
  return Pretrainer.create(runtime, pretrainerOptions(settings, steps), state ?? begin);
}

export const heldOutOptions = (settings: PretrainSettings): HeldOutOptions => ({
  step: stepOptions(settings),
  seed: settings.run.seed,
});

export const weightsOptions = (settings: PretrainSettings): WeightsOptions => ({
  encoder: encoderArchitecture(settings.model, settings.run.recompute),
  source: sourceOf(settings),
  seed: settings.run.seed,
});

function sourceOf({ backbone, from }: PretrainSettings): WeightsOptions["source"] {
  const part = from.part ?? undefined;
  if (from.run !== null) return { of: "all", location: from.run, step: from.step ?? undefined, part };
  return backbone.weights === null ? null : { of: "backbone", location: backbone.weights, part };
}

export const pictureOptions = (settings: PretrainSettings): FeaturePictureOptions => ({
  encoder: stepOptions(settings).encoder,
  size: settings.data.size,
  start: (declared) => startingWeights(weightsOptions(settings), declared),
  heldOut: heldOutOptions(settings),
});

export const dryRunOptions = (settings: PretrainSettings): DryRunOptions => ({
  step: stepOptions(settings),
  optim: settings.optim,
  batch: settings.run.batch,
  evaluated: settings.data.heldOut > 0,
});
