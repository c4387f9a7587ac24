/** @file Canonical weights under the names, and in the files, of other implementations. */

import { join } from "node:path";
import { InputError } from "../core/errors.js";
import type { TensorData } from "../core/tensor-data.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import type { JsonObject } from "./checkpoint.js";
import { type SavedModel, writeNumpyPickle, writeTorch } from "./formats/torch-writer.js";
import {
  backboneConfig,
  type ModelFacts,
  modelConfig,
  preprocessorConfig,
  settingsText,
} from "./huggingface-config.js";
import { groupNames } from "./names/group-names.js";
import { layoutNamed } from "./names/layouts.js";
import type { Move } from "./names/rules.js";
import { moduleVersions, planTarget, type Target, type TargetPlan } from "./names/targets.js";
import { splitRows } from "./rows.js";
import { writeSafetensors } from "./safetensors.js";
import { claimFiles, type OutputOptions, weightsOutput } from "./weights-output.js";

export interface SaveOptions extends OutputOptions {
  /** What the weights are, for messages. */
  readonly source: string;
  /** Tensors that may be left out when the target has no name for them. */
  readonly leaveOut?: readonly RegExp[];
  /** Tensors that stay behind in any case. */
  readonly drop?: readonly RegExp[];
  /** For Hugging Face's configuration. */
  readonly facts?: ModelFacts;
}

export interface SavedWeights {
  readonly files: readonly string[];
  readonly plan: TargetPlan;
}

function renamed(
  tensors: ReadonlyMap<string, TensorData>,
  moves: readonly Move[],
  source: string,
): Map<string, TensorData> {
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

/** `config.json`, and for a whole model `preprocessor_config.json`, by file name. */
function configurations(
  tensors: ReadonlyMap<string, TensorData>,
  { source, facts = {} }: SaveOptions,
): [string, string][] {
  const shapes = new Map([...tensors].map(([name, { shape }]) => [name, shape] as const));
  if (![...tensors.keys()].some((name) => name.startsWith("sem_seg_head."))) {
    return [["config.json", settingsText(backboneConfig(shapes, source))]];
  }
  const config = modelConfig(shapes, source, facts);
  const classes = Object.keys(config.id2label as JsonObject).length;
  return [
    ["config.json", settingsText(config)],
    ["preprocessor_config.json", settingsText(preprocessorConfig(classes, facts))],
  ];
}

/** What a PyTorch file or pickle holds beside the tensors, so that detectron2 finds its way. */
function savedModel(tensors: ReadonlyMap<string, TensorData>, { layout }: TargetPlan, to: Target): SavedModel {
  if (to !== "detectron2") return { tensors };
  const author = ["__author__", "mask-jepa"] as const;
  // A backbone alone is matched by the ends of names; a whole model has the names already.
  const heuristics = layout === "mask2former" ? [] : [["matching_heuristics", true] as const];
  return { tensors, versions: moduleVersions(tensors.keys()), beside: [author, ...heuristics] };
}

/**
 * Writes canonical weights under a target's names. The suffix of `path` decides the form (.safetensors, .pth, .pt,
 * .bin, .pkl); without one it is a folder, for Hugging Face with its configuration, and the form is what the target's
 * software reads.
 * @throws InputError for tensors without a name in the target, an unknown suffix or one that the target does not read,
 * a file that is there already (unless `overwrite`) or is an input (always), and one that cannot be written
 */
export async function saveWeights(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  options: SaveOptions,
): Promise<SavedWeights> {
  const { to, source, leaveOut, drop } = options;
  const plan = planTarget(tensors.keys(), to, { source, excused: leaveOut, dropped: drop });
  const output = await weightsOutput(path, options);
  const { form, file, folder } = output;
  const texts = folder !== undefined && to === "huggingface" ? configurations(tensors, options) : [];
  const beside = texts.map(([name, text]) => [join(folder as string, name), text] as const);
  const files = [file, ...beside.map(([name]) => name)];
  const result = renamed(tensors, plan.moves, source);
  await claimFiles(files, output, options);
  if (form === "torch") await writeTorch(file, savedModel(result, plan, to));
  else if (form === "pickle") await writeNumpyPickle(file, savedModel(result, plan, to));
  else await writeSafetensors(file, result, { format: "pt" }); // transformers asks for that word
  for (const [name, text] of beside) await writeFileAtomic(name, text);
  return { files, plan };
}

/** What was written, and what was left out, one fact a line. */
export function describeSaved({ files, plan: { layout, moves, leftOut } }: SavedWeights): string {
  const tensors = moves.reduce((sum, { to }) => sum + to.length, 0);
  return [
    `${files.join(", ")}: ${tensors} tensors under the names of ${layoutNamed(layout).title}`,
    ...groupNames(leftOut.map((name) => name.replace(/^((?:[^.]+\.){2}).*/, "$1*"))).map(
      (line) => `  left out: ${line}`,
    ),
  ].join("\n");
}
