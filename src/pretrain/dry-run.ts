/** @file The step of a pretraining run as its dry run sees it: graphs without weights. Needs no image. */

import { zeros } from "../core/tensor-data.js";
import { familyOf } from "../families/families.js";
import { type PlannedStep, planOf, type StepPlan } from "../run/step-estimate.js";
import type { AdamWOptions } from "../train/adamw.js";
import { maskJepaGraphs } from "./mask-jepa.js";
import {
  buildEvaluation,
  buildFrozenBackbone,
  buildTarget,
  GRADIENT_PREFIX,
  type StepOptions,
  TARGET_PREFIX,
} from "./programs.js";
import { backboneDeclarations } from "./starting-weights.js";

export interface DryRunOptions {
  readonly step: StepOptions;
  readonly optim: AdamWOptions;
  /** Images of a step. */
  readonly batch: number;
  /** Whether held-out images are evaluated during the run. */
  readonly evaluated: boolean;
}

export function plannedStep({ step, optim, batch, evaluated }: DryRunOptions): PlannedStep {
  const { online, target, targetWeights, weights } = maskJepaGraphs(step);
  const all = new Map([...backboneDeclarations(step.encoder), ...weights.declarations]);
  const frozen = (own: StepOptions) =>
    own.frozenBackbone
      ? [buildFrozenBackbone(own, new Map([...all].map(([name, { shape }]) => [name, zeros("float32", shape)])))]
      : [];
  const single = { ...step, images: 1 };
  return {
    weights,
    online: all,
    target: targetWeights,
    prefixes: familyOf(step.encoder).prefixes,
    microBatch: [...frozen(step), target, online].map((graph) => ({ graph, times: 1 })),
    elsewhere: (name) =>
      weights.declarations.has(name) || name.startsWith(TARGET_PREFIX) || name.startsWith(GRADIENT_PREFIX),
    evaluation: evaluated ? [...frozen(single), buildTarget(single).graph, buildEvaluation(single).graph] : [],
    optim,
    images: batch,
    microBatchImages: step.images,
  };
}

export const planPretraining = (options: DryRunOptions): StepPlan => planOf(plannedStep(options));
