/** @file The weights before the first step: parts of a pretrained model where one is given, the rest from the seed. */

import { loadCheckpoint } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { type Reporter, SILENT } from "../core/reporter.js";
import type { TensorData } from "../core/tensor-data.js";
import { type FamilyName, familyOf } from "../families/families.js";
import { type ModelPart, partOf } from "../families/family.js";
import { type Declaration, initialValue } from "../nn/scope.js";

export interface StartingWeights {
  /** Of the checkpoint that weights were loaded from. */
  readonly step?: number;
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

/**
 * The parts `parts` of the model in a checkpoint of a pretraining run (the newest, or that of a step), all else from
 * the seed.
 * @throws InputError when the checkpoint lacks a weight that it should have, or has one of another shape
 */
export async function weightsFromPretraining(
  { run, parts, step: asked }: { run: string; parts: readonly ModelPart[]; step?: number },
  declared: ReadonlyMap<string, Declaration>,
  {
    family,
    seed,
    reporter = SILENT,
  }: { readonly family: FamilyName; readonly seed: number; readonly reporter?: Reporter },
): Promise<StartingWeights> {
  const { step, tensors } = await loadCheckpoint(run, { parts: ["model"], step: asked, reporter });
  const { model } = tensors;
  const { prefixes, fresh } = familyOf({ family });
  const start = freshWeights(declared, seed);
  const wanted = [...declared.values()].filter(({ name }) => {
    const part = partOf(prefixes, name);
    return part !== undefined && parts.includes(part) && !fresh.test(name);
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
    step,
    weights: start.weights,
    loaded: [...taken],
    fresh: [...declared.keys()].filter((name) => !taken.has(name)),
    leftBehind: [...model.keys()].filter((name) => !taken.has(name)),
  };
}

/** "sem_seg_head.predictor.class_embed.weight" -> "sem_seg_head.predictor.class_embed": what a person wants to read. */
function moduleOf(name: string, family: FamilyName): string {
  const { prefixes } = familyOf({ family });
  const part = partOf(prefixes, name);
  const depth = part ? prefixes[part].split(".").length : 2;
  return name.split(".").slice(0, depth).join(".");
}

function counted(names: readonly string[], keyOf: (name: string) => string): [key: string, count: number][] {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(keyOf(name), (counts.get(keyOf(name)) ?? 0) + 1);
  return [...counts];
}

/** What a run prints about its beginning. */
export function describeStart(
  { step, loaded, fresh, leftBehind }: StartingWeights,
  run: string | null,
  family: FamilyName,
): string {
  if (run === null) return `All ${fresh.length} weights start fresh.`;
  const { prefixes } = familyOf({ family });
  const parts = counted(loaded, (name) => partOf(prefixes, name) ?? "other");
  const modules = (names: readonly string[]) =>
    counted(names, (name) => moduleOf(name, family)).map(([module, count]) => `\n  ${module} (${count})`);
  return [
    `Loaded ${loaded.length} weights from step ${step} of ${run}: ` +
      `${parts.map(([part, count]) => `${part} (${count})`).join(", ")}`,
    `Fresh, ${fresh.length} weights:${modules(fresh).join("")}`,
    ...(leftBehind.length > 0 ? [`Left behind, ${leftBehind.length} weights:${modules(leftBehind).join("")}`] : []),
  ].join("\n");
}
