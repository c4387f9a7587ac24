/**
 * @file The weights before the first step: from the seed, from a file for the backbone, or from weights of a whole
 * encoder.
 */

import { type ReadOptions, readWeights } from "../checkpoint/read-weights.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { type EncoderArchitecture, familyOf } from "../families/families.js";
import { MODEL_PARTS } from "../families/family.js";
import { Graph } from "../graph/graph.js";
import { asInputs, type Declaration, Parameters } from "../nn/scope.js";
import { describeStart, freshWeights, takeOver } from "../weights/starting-weights.js";
import { OWN_PREFIX } from "./method.js";

interface WeightsSource extends Pick<ReadOptions, "step" | "part"> {
  readonly of: "backbone" | "all";
  readonly location: string;
}

export interface WeightsOptions {
  readonly encoder: EncoderArchitecture;
  /**
   * Weights to begin with, in any known format: of the backbone alone, or of all that is pretrained; null for random
   * ones.
   */
  readonly source: WeightsSource | null;
  readonly seed: number;
}

/** What a checkpoint of a pretraining run says that it is of. */
export const PRETRAINING = "mask-jepa pretraining";

/** Of Mask-JEPA alone: what a run has depends on the parts of its loss. */
const OWN = [new RegExp(`^${OWN_PREFIX.replaceAll(".", "\\.")}`)];

/** Declarations of the backbone alone. */
export function backboneDeclarations(encoder: EncoderArchitecture): ReadonlyMap<string, Declaration> {
  const graph = new Graph("backbone");
  const parameters = new Parameters(asInputs(graph));
  familyOf(encoder).backbone(parameters.root, graph.input("images", "float32", [1, 3, 64, 64]), encoder);
  return parameters.declarations;
}

/**
 * Values of all `declared` tensors and of the backbone. The reporter is told what was loaded, where something was.
 * @throws InputError when the source cannot be read, or does not hold exactly the tensors that are to come from there
 */
export async function startingWeights(
  { encoder, source, seed }: WeightsOptions,
  declared: ReadonlyMap<string, Declaration>,
  reporter: Reporter = SILENT,
): Promise<Map<string, TensorData>> {
  const all = new Map([...backboneDeclarations(encoder), ...declared]);
  if (source === null) return freshWeights(all, seed).weights;
  const { family } = encoder;
  const stored = await readWeights(source.location, { step: source.step, part: source.part, reporter });
  const start =
    source.of === "backbone"
      ? takeOver(stored, all, { family, parts: ["backbone"], seed })
      : takeOver(stored, all, {
          family,
          parts: MODEL_PARTS,
          beyond: OWN,
          ignored: [familyOf(encoder).fresh], // of a model that was trained further
          absent: "--backbone takes a backbone alone.",
          seed,
        });
  reporter.say(describeStart(start, family));
  return start.weights;
}
