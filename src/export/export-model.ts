/** @file Weights from anywhere for the original code and for other programs. */

import { type ReadOptions, readWeights } from "../checkpoint/read-weights.js";
import { SILENT } from "../core/reporter.js";
import { familyOf } from "../families/families.js";
import { announceWeights, type KnownModel, knownModel } from "../weights/known-model.js";
import { ownMetadata } from "../weights/own-facts.js";
import type { ModelFacts } from "./model-facts.js";
import { type SavedWeights, type SaveOptions, saveWeights } from "./save-weights.js";
import { targetNamed } from "./targets.js";
import { placeOf } from "./weights-output.js";

export interface ExportOptions extends Omit<SaveOptions, "inputs" | "source" | "facts">, ReadOptions {
  /** A run, a checkpoint, a file of any known format, a folder as Hugging Face saves it, or `hf:owner/name`. */
  readonly checkpoint: string;
  readonly out: string;
}

/** What is stated of a model, and the sizes of its attention and norms in any case. */
function factsOf({ description, assumed }: KnownModel): ModelFacts {
  if (!description) return {};
  const { classes, architecture, inference, criterion } = description;
  const { shortEdge, longEdge } = inference;
  const backbone = familyOf(architecture).backboneOf(architecture);
  return {
    ...(!assumed.has("names") && { classes: classes.map(({ name }) => name) }),
    heads: architecture.transformerDecoder.heads,
    normGroups: architecture.pixelDecoder.normGroups,
    ...(!assumed.has("shortEdge") && { shortEdge, longEdge }),
    criterion,
    ...(assumed.size === 0 && "dropout" in architecture && { dropout: architecture.dropout }),
    ...(backbone.kind === "swin" && !assumed.has("dropPath") && { dropPath: backbone.dropPath }),
  };
}

/** What a safetensors file says of its model beyond what others read there: nothing where something was guessed. */
const metadataOf = ({ backbone, decoders, description, assumed }: KnownModel, family: string | undefined) =>
  assumed.size > 0 ? {} : ownMetadata({ ...backbone, ...decoders }, description, family);

/**
 * Writes the weights of a model, of a pretraining run, or of a backbone under a target's names, with the buffers that
 * the target's own files hold.
 * @throws InputError for weights that cannot be read, or a model that the target cannot express
 */
export async function exportModel({
  checkpoint,
  out,
  part,
  step,
  reporter = SILENT,
  ...options
}: ExportOptions): Promise<SavedWeights> {
  const stored = await readWeights(checkpoint, { part, step, reporter });
  const known = await knownModel(stored);
  announceWeights(stored, known, { reporter, brief: false });
  const facts = factsOf(known);
  const buffers = targetNamed(options.to).buffers?.(stored.tensors, facts) ?? [];
  return saveWeights(out, new Map([...stored.tensors, ...buffers]), {
    ...options,
    inputs: [placeOf(stored)],
    source: checkpoint,
    facts,
    metadata: (family) => metadataOf(known, family),
  });
}
