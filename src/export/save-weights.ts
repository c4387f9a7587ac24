/** @file Canonical weights under the names, and in the files, of other implementations. */

import { join } from "node:path";
import { writeNumpyPickle, writeTorch } from "../checkpoint/formats/torch-writer.js";
import { groupNames } from "../checkpoint/names/group-names.js";
import { familyIn } from "../checkpoint/names/layouts.js";
import type { Move } from "../checkpoint/names/rules.js";
import { splitRows } from "../checkpoint/rows.js";
import { writeSafetensors } from "../checkpoint/safetensors.js";
import { InputError } from "../core/errors.js";
import type { TensorData } from "../core/tensor-data.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import type { ModelFacts } from "./model-facts.js";
import { type NamePlan, planNames } from "./plan-names.js";
import type { TargetName, Weights } from "./target.js";
import { targetNamed } from "./targets.js";
import { claimWeights, type OutputOptions, weightsOutput } from "./weights-output.js";

export interface SaveOptions extends OutputOptions {
  readonly to: TargetName;
  /** What the weights are, for messages. */
  readonly source: string;
  /** Tensors that may be left out when the target has no name for them. */
  readonly leaveOut?: readonly RegExp[];
  /** For the configuration that the target wants. */
  readonly facts?: ModelFacts;
  /** Further text for the header of a safetensors file that holds a model of a family, where it is of one. */
  readonly metadata?: (family: string | undefined) => Readonly<Record<string, string>>;
}

export interface SavedWeights {
  readonly files: readonly string[];
  readonly plan: NamePlan;
  /** What is to be told about the model in its new form. */
  readonly remark?: string;
}

function renamed(tensors: Weights, moves: readonly Move[], source: string): Map<string, TensorData> {
  const result = new Map<string, TensorData>();
  for (const { from, to } of moves) {
    const tensor = tensors.get(from[0]) as TensorData;
    const parts = to.length === 1 ? [tensor] : splitRows(tensor, to.length);
    if (!parts) {
      const expected = `${from[0]} of rows that can be split in ${to.length}`;
      throw new InputError({ where: source, expected, found: `[${tensor.shape}]` });
    }
    for (const [i, name] of to.entries()) result.set(name, parts[i]);
  }
  return result;
}

/**
 * Writes canonical weights under a target's names. The suffix of `path` decides the form (.safetensors, .pth, .pt,
 * .bin, .pkl); without one it is a folder, for Hugging Face with its configuration, and the form is what the target's
 * software reads.
 * @throws InputError for tensors without a name in the target, an unknown suffix or one that the target does not read,
 * a file
 * that is there already (unless `overwrite`) or is an input (always), and one that cannot be written
 */
export async function saveWeights(path: string, weights: Weights, options: SaveOptions): Promise<SavedWeights> {
  const { source, leaveOut, facts = {}, metadata } = options;
  const target = targetNamed(options.to);
  const { weights: tensors, remark } = target.adapt?.(weights, source) ?? { weights };
  const unused = [...weights.keys()].filter((name) => !tensors.has(name));
  const planned = planNames(tensors.keys(), target, { source, excused: leaveOut });
  const plan = { ...planned, leftOut: [...unused, ...planned.leftOut] };
  const output = await weightsOutput(path, target, options);
  const { form, file, folder } = output;
  const texts = [...((folder !== undefined && target.texts?.(tensors, source, facts)) || [])].map(
    ([name, text]) => [join(folder as string, name), text] as const,
  );
  const files = [file, ...texts.map(([name]) => name)];
  const result = renamed(tensors, plan.moves, source);
  const saved = target.saved?.(result, plan.layout) ?? { tensors: result };
  await claimWeights(files, target, output, options);
  if (form === "torch") await writeTorch(file, saved);
  else if (form === "pickle") await writeNumpyPickle(file, saved);
  else {
    const family = plan.layout && familyIn(plan.layout);
    await writeSafetensors(file, result, { format: "pt", ...metadata?.(family) }); // transformers asks for that word
  }
  for (const [name, text] of texts) await writeFileAtomic(name, text);
  return { files, plan, remark };
}

/** Several tensors of one module by its name, a single one by its own. */
function byModule(names: readonly string[]): string[] {
  const moduleOf = (name: string) => name.replace(/^((?:[^.]+\.){2}).*/, "$1*");
  const counts = new Map<string, number>();
  for (const name of names) counts.set(moduleOf(name), (counts.get(moduleOf(name)) ?? 0) + 1);
  return names.map((name) => (counts.get(moduleOf(name)) === 1 ? name : moduleOf(name)));
}

/** What was written, and what was left out, one fact a line. */
export function describeSaved({ files, plan: { layout, moves, leftOut }, remark }: SavedWeights): string {
  const tensors = moves.reduce((sum, { to }) => sum + to.length, 0);
  const names = layout ? `the names of ${layout.title}` : "their own names";
  return [
    `${files.join(", ")}: ${tensors} tensors under ${names}`,
    ...groupNames(byModule(leftOut)).map((line) => `  left out: ${line}`),
    ...(remark === undefined ? [] : [`  ${remark}`]),
  ].join("\n");
}
