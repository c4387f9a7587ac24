/** @file Canonical weights under the names, and in the files, of other implementations. */

import { extname, join } from "node:path";
import { InputError } from "../core/errors.js";
import type { TensorData } from "../core/tensor-data.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { makeFolder } from "../io/folder.js";
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

export interface SaveOptions {
  readonly to: Target;
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

/** Suffixes and what they mean. */
const FORMATS: Readonly<Record<string, "safetensors" | "torch" | "pickle">> = {
  ".safetensors": "safetensors",
  ".pth": "torch",
  ".pt": "torch",
  ".bin": "torch",
  ".pkl": "pickle",
};

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
 * Writes canonical weights under a target's names. The suffix of `path` decides the format (.safetensors, .pth, .pt, .bin,
 * .pkl); without one it is a folder, for Hugging Face with its configuration.
 * @throws InputError for tensors without a name in the target, an unknown suffix, or a file that cannot be written
 */
export async function saveWeights(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  options: SaveOptions,
): Promise<SavedWeights> {
  const { to, source, leaveOut, drop } = options;
  const plan = planTarget(tensors.keys(), to, { source, excused: leaveOut, dropped: drop });
  const suffix = extname(path).toLowerCase();
  const format = FORMATS[suffix];
  if (suffix !== "" && !format) {
    const expected = `a file ending in ${Object.keys(FORMATS).join(", ")}, or a folder without a suffix`;
    throw new InputError({ where: path, expected, found: suffix });
  }
  const result = renamed(tensors, plan.moves, source);
  if (format === "torch") await writeTorch(path, savedModel(result, plan, to));
  else if (format === "pickle") await writeNumpyPickle(path, savedModel(result, plan, to));
  else if (format === "safetensors") await writeSafetensors(path, result, { format: "pt" });
  else return { files: await saveFolder(path, tensors, result, options), plan };
  return { files: [path], plan };
}

async function saveFolder(
  path: string,
  tensors: ReadonlyMap<string, TensorData>,
  result: ReadonlyMap<string, TensorData>,
  options: SaveOptions,
): Promise<string[]> {
  const texts = options.to === "huggingface" ? configurations(tensors, options) : [];
  await makeFolder(path);
  const weights = join(path, "model.safetensors");
  await writeSafetensors(weights, result, { format: "pt" }); // transformers asks for that word
  for (const [name, text] of texts) await writeFileAtomic(join(path, name), text);
  return [weights, ...texts.map(([name]) => join(path, name))];
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
