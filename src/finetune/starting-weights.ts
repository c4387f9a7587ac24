/** @file The weights before the first step: parts of a pretrained model where one is given, the rest from the seed. */

import { loadCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { type Declaration, initialValue } from "../nn/scope.js";
import type { ModelPart } from "./settings.js";

const PREFIXES: Record<ModelPart, string> = {
  backbone: "backbone.",
  "pixel-decoder": "sem_seg_head.pixel_decoder.",
  "transformer-decoder": "sem_seg_head.predictor.",
};

/** Weights of the transformer decoder that pretraining has not: they start fresh and are named in the log. */
const FRESH = /^sem_seg_head\.predictor\.(query_feat|query_embed|class_embed|mask_embed)\./;

/** Of Mask-JEPA alone: the mask token, the self-attention blocks, f_L and the denoising convolution. */
const LEFT_BEHIND = /^mask_jepa\./;

export interface StartingWeights {
  readonly weights: Map<string, TensorData>;
  /** Names by what became of them. */
  readonly loaded: readonly string[];
  readonly fresh: readonly string[];
  readonly leftBehind: readonly string[];
}

/** All weights from the seed. */
export function freshWeights(declared: ReadonlyMap<string, Declaration>, seed: number): StartingWeights {
  const weights = new Map([...declared].map(([name, declaration]) => [name, initialValue(declaration, seed)] as const));
  return { weights: new Map<string, TensorData>(weights), loaded: [], fresh: [...declared.keys()], leftBehind: [] };
}

/** The part of the model that a weight belongs to; undefined for what is no part of Mask2Former. */
const partOf = (name: string) => (Object.keys(PREFIXES) as ModelPart[]).find((part) => name.startsWith(PREFIXES[part]));

/**
 * The parts `parts` of the model in the checkpoint of a pretraining run, everything else from the seed.
 * @throws InputError when the checkpoint lacks a weight that it should have, or has one of another shape
 */
export async function weightsFromPretraining(
  run: string,
  parts: readonly ModelPart[],
  declared: ReadonlyMap<string, Declaration>,
  { seed, reporter = SILENT }: { seed: number; reporter?: Reporter },
): Promise<StartingWeights> {
  const { tensors } = await loadCheckpoint(run, { parts: ["model"], reporter });
  const { model } = tensors;
  const start = freshWeights(declared, seed);
  const wanted = [...declared.values()].filter(({ name }) => {
    const part = partOf(name);
    return part !== undefined && parts.includes(part) && !FRESH.test(name);
  });
  const faults = wanted.flatMap(({ name, shape }) => {
    const found = model.get(name);
    if (!found) return [`${name}: not in the checkpoint`];
    return found.shape.join() === shape.join() ? [] : [`${name}: model [${shape}], checkpoint [${found.shape}]`];
  });
  // The decoder reads three strides; pretraining reads one, and trains the level embedding's row of that stride alone.
  if (faults.length > 0) {
    const listed = faults.slice(0, 8).map((fault) => `  ${fault}`);
    if (faults.length > listed.length) listed.push(`  ... and ${faults.length - listed.length} more`);
    throw new InputError({
      where: `--from ${run}`,
      expected: `the ${wanted.length} weights of ${parts.join(", ")} of this model`,
      found: `${wanted.length - faults.length} that fit\n${listed.join("\n")}`,
      fix: "Fine-tune with the preset whose model was pretrained, or set model.* alike.",
    });
  }
  for (const { name } of wanted) start.weights.set(name, model.get(name) as TensorData);
  const taken = new Set(wanted.map(({ name }) => name));
  return {
    weights: start.weights,
    loaded: [...taken],
    fresh: [...declared.keys()].filter((name) => !taken.has(name)),
    leftBehind: [...model.keys()].filter((name) => LEFT_BEHIND.test(name) || !taken.has(name)),
  };
}

/** "sem_seg_head.predictor.class_embed.weight" -> "sem_seg_head.predictor.class_embed": what a person wants to read. */
function moduleOf(name: string): string {
  const part = partOf(name);
  const prefix = part ? PREFIXES[part] : "mask_jepa.";
  return prefix + name.slice(prefix.length).split(".")[0];
}

function grouped(names: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(moduleOf(name), (counts.get(moduleOf(name)) ?? 0) + 1);
  return [...counts].map(([module, count]) => `  ${module} (${count})`).join("\n");
}

/** What a run prints about its beginning. */
export function describeStart({ loaded, fresh, leftBehind }: StartingWeights, run: string | null): string {
  if (run === null) return `All ${fresh.length} weights start fresh.`;
  const parts = new Map<string, number>();
  for (const name of loaded) parts.set(partOf(name) ?? "other", (parts.get(partOf(name) ?? "other") ?? 0) + 1);
  const listed = [...parts].map(([part, count]) => `${part} (${count})`).join(", ");
  return [
    `Loaded ${loaded.length} weights from ${run}: ${listed}`,
    `Fresh, ${fresh.length} weights:\n${grouped(fresh)}`,
    ...(leftBehind.length > 0 ? [`Left behind, ${leftBehind.length} weights:\n${grouped(leftBehind)}`] : []),
  ].join("\n");
}
