/** @file The weights before the first step: from the seed, and for the backbone from a file where one is given. */

import { loadWeights } from "../checkpoint/load-weights.js";
import { matchWeights } from "../checkpoint/match-weights.js";
import { loadCheckpoint } from "../checkpoint/run-state.js";
import { locateWeights } from "../checkpoint/weights-location.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { type EncoderArchitecture, familyOf } from "../families/families.js";
import { Graph } from "../graph/graph.js";
import { asInputs, type Declaration, initialValue, Parameters } from "../nn/scope.js";

/**
 * What a backbone's file may hold besides: the classifier, counters, and indices that follow from the window's size.
 */
const IGNORED = [/^backbone\.(stem\.fc|norm|head)\./, /\.(num_batches_tracked|relative_position_index|attn_mask)$/];
/** Norms of a Swin Transformer's outputs, which classifiers do not have. */
const NEW = [/^backbone\.norm\d\./];

export interface WeightsOptions {
  readonly encoder: EncoderArchitecture;
  /** Weights of the backbone in any known format, or null. */
  readonly file: string | null;
  readonly seed: number;
}

/** Declarations of the backbone alone. */
export function backboneDeclarations(encoder: EncoderArchitecture): ReadonlyMap<string, Declaration> {
  const graph = new Graph("backbone");
  const parameters = new Parameters(asInputs(graph));
  familyOf(encoder).backbone(parameters.root, graph.input("images", "float32", [1, 3, 64, 64]), encoder);
  return parameters.declarations;
}

/**
 * Values of all `declared` tensors and of the backbone.
 * @throws InputError when the file cannot be read or does not hold exactly the backbone's tensors
 */
export async function startingWeights(
  { encoder, file, seed }: WeightsOptions,
  declared: ReadonlyMap<string, Declaration>,
): Promise<Map<string, TensorData>> {
  const backbone = backboneDeclarations(encoder);
  const all = new Map([...backbone, ...declared]);
  const values = new Map<string, TensorData>();
  if (file !== null) {
    const { tensors: stored, report } = await loadWeights(await locateWeights(file), {
      keep: (name) => name.startsWith("backbone."),
    });
    const { matched } = matchWeights(shapes(backbone), shapes(stored), {
      source: file,
      allowMissing: NEW,
      allowUnexpected: IGNORED,
      originOf: (name) => report.moves.find(({ to }) => to[0] === name)?.from.join(" + "),
    });
    for (const name of matched) values.set(name, stored.get(name) as TensorData);
  }
  return completed(values, all, seed);
}

/** What a checkpoint of a pretraining run says that it is of. */
export const PRETRAINING = "mask-jepa pretraining";

/** Of Mask-JEPA alone: what a run has depends on the parts of its loss. */
const OWN = [/^mask_jepa\./];

/**
 * Values of all `declared` tensors and of the backbone from a pretraining run, or one of its checkpoints.
 * @throws InputError when it is none, or not of this model
 */
export async function weightsOfRun(
  run: string,
  {
    encoder,
    seed,
    step: asked,
    reporter = SILENT,
  }: Omit<WeightsOptions, "file"> & {
    readonly step?: number;
    readonly reporter?: Reporter;
  },
  declared: ReadonlyMap<string, Declaration>,
): Promise<Map<string, TensorData>> {
  const { path, step, tensors, state } = await loadCheckpoint(run, { parts: ["model"], step: asked, reporter });
  if (state.kind !== PRETRAINING) {
    const found = String(state.kind ?? "another checkpoint");
    throw new InputError({ where: `--from ${run}`, expected: "a pretraining run", found });
  }
  const all = new Map([...backboneDeclarations(encoder), ...declared]);
  const { model } = tensors;
  const options = { source: `${path}, model`, allowMissing: OWN, allowUnexpected: OWN };
  const { matched } = matchWeights(shapes(all), shapes(model), options);
  reporter.say(`Beginning with the weights of ${run} at step ${step}`);
  return completed(new Map(matched.map((name) => [name, model.get(name) as TensorData])), all, seed);
}

const shapes = <T extends { shape: readonly number[] }>(map: ReadonlyMap<string, T>) =>
  new Map([...map].map(([name, { shape }]) => [name, shape] as const));

/** The values, and those of the seed for what has none. */
function completed(
  values: Map<string, TensorData>,
  declared: ReadonlyMap<string, Declaration>,
  seed: number,
): Map<string, TensorData> {
  for (const declaration of declared.values()) {
    if (!values.has(declaration.name)) values.set(declaration.name, initialValue(declaration, seed));
  }
  return values;
}
