/** @file The weights before the first step: from the seed, and for the backbone from a file where one is given. */

import { loadWeights } from "../checkpoint/load-weights.js";
import { matchWeights } from "../checkpoint/match-weights.js";
import { locateWeights } from "../checkpoint/weights-location.js";
import type { TensorData } from "../core/tensor-data.js";
import { type EncoderArchitecture, familyOf } from "../families/families.js";
import { Graph } from "../graph/graph.js";
import { asInputs, type Declaration, initialValue, Parameters } from "../nn/scope.js";

/** What a backbone's file may hold besides: the classifier, counters, and indices that follow from the window's size. */
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
    const shapes = <T extends { shape: readonly number[] }>(map: ReadonlyMap<string, T>) =>
      new Map([...map].map(([name, { shape }]) => [name, shape] as const));
    const { matched } = matchWeights(shapes(backbone), shapes(stored), {
      source: file,
      allowMissing: NEW,
      allowUnexpected: IGNORED,
      originOf: (name) => report.moves.find(({ to }) => to[0] === name)?.from.join(" + "),
    });
    for (const name of matched) values.set(name, stored.get(name) as TensorData);
  }
  for (const declaration of all.values()) {
    if (!values.has(declaration.name)) values.set(declaration.name, initialValue(declaration, seed));
  }
  return values;
}
