/** @file Where weights can go: the names of other implementations, and what those want beside the weights. */

import { InputError } from "../../core/errors.js";
import { type TensorData, zeros } from "../../core/tensor-data.js";
import { groupNames } from "./group-names.js";
import { layoutNamed } from "./layouts.js";
import type { Move } from "./rules.js";

export const TARGETS = ["canonical", "detectron2", "huggingface", "timm"] as const;
export type Target = (typeof TARGETS)[number];

const BACKBONE = "backbone.";

export interface TargetPlan {
  readonly layout: string;
  readonly moves: readonly Move[];
  /** Not part of what the target holds, or excused. */
  readonly leftOut: readonly string[];
}

/** The layout that a target gives to these tensors: a whole model, or the backbone alone. */
function layoutFor(target: Target, names: readonly string[], source: string): string {
  const backbone = names.some((name) => name.startsWith(`${BACKBONE}patch_embed.`))
    ? "swin"
    : names.some((name) => name.startsWith(`${BACKBONE}stem.`))
      ? "resnet"
      : undefined;
  if (target === "canonical") return "mask2former";
  const stem = `${BACKBONE}stem.conv1.norm.`;
  if (names.includes(`${stem}weight`) && !names.includes(`${stem}running_mean`)) {
    throw new InputError({
      where: source,
      expected: `a ResNet with batch norm, the only one that ${target} builds for these names`,
      found: "group norm (model.norm group)",
      fix: "Export it with --to canonical, or train with model.norm frozen or batch.",
    });
  }
  const whole = names.some((name) => name.startsWith("sem_seg_head."));
  if (whole && target === "detectron2") return "mask2former";
  if (whole && target === "huggingface") return "huggingface";
  if (!backbone)
    throw new InputError({ where: source, expected: "the weights of a ResNet or Swin Transformer", found: "neither" });
  const layouts = {
    detectron2: { swin: "microsoft-swin", resnet: "detectron2-resnet" },
    huggingface: { swin: "huggingface-swin", resnet: "huggingface-resnet" },
    timm: { swin: "timm-swin", resnet: "torchvision-resnet" },
  };
  return layouts[target][backbone];
}

/**
 * Names under which a target keeps canonical tensors. Only the backbone goes to timm.
 * @param excused names that may be left out when the target has none for them
 * @param dropped names that stay behind in any case
 * @throws InputError that lists the tensors without a name in the target
 */
export function planTarget(
  names: Iterable<string>,
  target: Target,
  { source, excused = [], dropped = [] }: { source: string; excused?: readonly RegExp[]; dropped?: readonly RegExp[] },
): TargetPlan {
  const all = [...names];
  const layout = layoutFor(target, all, source);
  const fits = (name: string, patterns: readonly RegExp[]) => patterns.some((pattern) => name.search(pattern) >= 0);
  const isOutside = (name: string) => (target === "timm" && !name.startsWith(BACKBONE)) || fits(name, dropped);
  const inside = all.filter((name) => !isOutside(name));
  const { moves, unmatched } = layoutNamed(layout).rules.write(inside);
  const refused = unmatched.filter((name) => !fits(name, excused));
  if (refused.length > 0) {
    throw new InputError({
      where: source,
      expected: `tensors that have a name in ${layoutNamed(layout).title}`,
      found: `${refused.length} without one\n${groupNames(refused)
        .map((line) => `  ${line}`)
        .join("\n")}`,
      fix: "Leave them out by name (--leave-out PATTERN).",
    });
  }
  return { layout, moves, leftOut: [...all.filter(isOutside), ...unmatched] };
}

/**
 * Modules whose loading hooks ask for a version: without it the original code renames what is right already
 * (_load_from_state_dict in mask_former_head.py).
 */
const HEAD_VERSIONS: readonly [module: string, version: number][] = [
  ["sem_seg_head", 2],
  ["sem_seg_head.predictor", 2],
];
const FROZEN_BATCH_NORM = 3;
const BATCH_NORM = 2;

/** `_metadata` of a state dict with these names: a version for every module, as PyTorch writes it. */
export function moduleVersions(names: Iterable<string>): Map<string, number> {
  const all = new Set(names);
  const versions = new Map<string, number>([["", 1]]);
  for (const name of all) {
    const parts = name.split(".");
    for (let i = 1; i < parts.length; i++) versions.set(parts.slice(0, i).join("."), 1);
  }
  for (const name of all) {
    if (!name.endsWith(".running_mean")) continue;
    const module = name.slice(0, -".running_mean".length);
    versions.set(module, all.has(`${module}.num_batches_tracked`) ? BATCH_NORM : FROZEN_BATCH_NORM);
  }
  for (const [module, version] of HEAD_VERSIONS) if (versions.has(module)) versions.set(module, version);
  return versions;
}

/** Weight of "no object" in the losses of all published models. */
const NO_OBJECT_WEIGHT = 0.1;

/**
 * Buffers that a whole model has in the other implementations and that follow from its weights: the classes' weights in
 * the loss (`noObject` for "no object", 1 for all others), and for windows of a Swin Transformer which entry of the
 * bias table belongs to a pair of tokens.
 */
export function derivedBuffers(
  tensors: ReadonlyMap<string, TensorData>,
  noObject = NO_OBJECT_WEIGHT,
): Map<string, TensorData> {
  const derived = new Map<string, TensorData>();
  const add = (name: string, make: () => TensorData) => {
    if (!tensors.has(name)) derived.set(name, make());
  };
  for (const [name, { shape }] of tensors) {
    if (name === "sem_seg_head.predictor.class_embed.bias")
      add("criterion.empty_weight", () => classWeights(shape[0], noObject));
    if (name.endsWith(".relative_position_bias_table")) {
      add(name.replace(/bias_table$/, "index"), () => relativeIndex((Math.sqrt(shape[0]) + 1) / 2));
    }
  }
  return derived;
}

/** [classes + 1]: ones, and the weight of "no object". */
function classWeights(classes: number, noObject: number): TensorData {
  const weights = zeros("float32", [classes]);
  weights.data.fill(1).fill(noObject, classes - 1);
  return weights;
}

/** [window^2, window^2]: (y_i - y_j + w - 1) (2 w - 1) + (x_i - x_j + w - 1), tokens row by row. */
function relativeIndex(window: number): TensorData {
  const tokens = window * window;
  const index = zeros("int64", [tokens, tokens]);
  for (let i = 0; i < tokens; i++) {
    for (let j = 0; j < tokens; j++) {
      const dy = Math.floor(i / window) - Math.floor(j / window) + window - 1;
      const dx = (i % window) - (j % window) + window - 1;
      index.data[i * tokens + j] = BigInt(dy * (2 * window - 1) + dx);
    }
  }
  return index;
}
