/** @file What is probed: the encoder of a run of either kind under its trained weights and those that it began with. */

import { matchWeights } from "../checkpoint/match-weights.js";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import { familyOf } from "../families/families.js";
import { describeMaps, type MapName, type MapsOf } from "../features/encoder-maps.js";
import { startingWeights as startOfFinetuning } from "../finetune/composition.js";
import { loadSettings as loadFinetuneSettings } from "../finetune/settings-resolution.js";
import type { Declaration } from "../nn/scope.js";
import { loadTrainedModel } from "../predict/trained-model.js";
import { stepOptions, weightsOptions } from "../pretrain/composition.js";
import { loadSettings as loadPretrainSettings } from "../pretrain/settings-resolution.js";
import { startingWeights as startOfPretraining } from "../pretrain/starting-weights.js";
import { runKindOf } from "../visualize/run-kind.js";

type Weights = ReadonlyMap<string, TensorData>;

export interface ProbedModel {
  readonly kind: "pretraining" | "fine-tuned model";
  /** As the user gave it. */
  readonly checkpoint: string;
  /** Steps that its run trained it for; undefined for published weights. */
  readonly step?: number;
  readonly maps: MapsOf;
  /** Maps that the architecture has. */
  readonly names: readonly MapName[];
  /** What the names of the backbone's weights begin with. */
  readonly backbone: string;
  /** Shorter side in pixels of what it was trained on. */
  readonly shortEdge: number;
  /** Of the encoder. */
  readonly trained: Weights;
  /** Those before the first step; undefined where they cannot be had any more. */
  readonly start?: Weights;
}

/**
 * The model of a run, of one of its checkpoints, or of weights of a whole model in any known format. The reporter is
 * warned where its starting weights cannot be had.
 * @throws InputError for anything else
 */
export async function probedModel(checkpoint: string, reporter: Reporter): Promise<ProbedModel> {
  const run = await runKindOf(checkpoint);
  return run.kind === "pretraining"
    ? probedPretraining(checkpoint, run.settings, reporter)
    : probedFineTuned(checkpoint, run.settings, reporter);
}

async function probedPretraining(checkpoint: string, settingsFile: string, reporter: Reporter): Promise<ProbedModel> {
  const settings = loadPretrainSettings(settingsFile);
  const { encoder, method, size } = stepOptions(settings);
  const maps: MapsOf = { encoder, featureStride: method.featureStride };
  const { path, step, tensors } = await loadCheckpoint(checkpoint, { parts: ["model"], reporter });
  const start = (declared: ReadonlyMap<string, Declaration>) => startOfPretraining(weightsOptions(settings), declared);
  const common = { kind: "pretraining", checkpoint, step, shortEdge: size } as const;
  return probed(maps, tensors.model, `${path}, model`, common, start, reporter);
}

async function probedFineTuned(
  checkpoint: string,
  settingsFile: string | undefined,
  reporter: Reporter,
): Promise<ProbedModel> {
  const model = await loadTrainedModel(checkpoint, { reporter });
  const settings = settingsFile === undefined ? undefined : loadFinetuneSettings(settingsFile);
  const { architecture, inference, step } = model;
  const maps: MapsOf = { encoder: familyOf(architecture).forInference(architecture), featureStride: 8 };
  const start =
    settings &&
    (async (declared: ReadonlyMap<string, Declaration>) =>
      (await startOfFinetuning(settings, declared, { reporter: SILENT })).weights);
  const common = { kind: "fine-tuned model", checkpoint, step, shortEdge: inference.shortEdge } as const;
  return probed(maps, model.weights, model.checkpoint, common, start, reporter);
}

async function probed(
  maps: MapsOf,
  stored: Weights,
  source: string,
  common: Pick<ProbedModel, "kind" | "checkpoint" | "step" | "shortEdge">,
  startOf: ((declared: ReadonlyMap<string, Declaration>) => Promise<Weights>) | undefined,
  reporter: Reporter,
): Promise<ProbedModel> {
  const { channels, weights: declared } = describeMaps(maps);
  matchWeights(shapesOf(declared), shapesOf(stored), { source, allowUnexpected: [/^/] });
  const encoderOf = (all: Weights) => new Map([...declared.keys()].map((name) => [name, all.get(name) as TensorData]));
  const start = startOf && (await unlessGone(() => startOf(declared), common.checkpoint, reporter));
  return {
    ...common,
    maps,
    names: [...channels.keys()],
    backbone: familyOf(maps.encoder).prefixes.backbone[0],
    trained: encoderOf(stored),
    ...(start && { start: encoderOf(start) }),
  };
}

async function unlessGone(
  load: () => Promise<Weights>,
  checkpoint: string,
  reporter: Reporter,
): Promise<Weights | undefined> {
  try {
    return await load();
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    reporter.warn(`${checkpoint} is probed without the weights that it began with. ${error.message}`);
    return undefined;
  }
}

const shapesOf = (all: ReadonlyMap<string, { readonly shape: Shape }>) =>
  new Map([...all].map(([name, { shape }]) => [name, shape]));

/** Whether two sets hold the same values under the names that begin with `prefix`. */
export function sameWeights(a: Weights, b: Weights, prefix: string): boolean {
  return [...a].every(([name, { data }]) => {
    const other = b.get(name)?.data;
    return !name.startsWith(prefix) || (other?.length === data.length && data.every((v, i) => v === other[i]));
  });
}
