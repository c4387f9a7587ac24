/** @file detectron2: the original code of Mask2Former and its relatives. */

import { isBackbone } from "../checkpoint/names/layouts.js";
import { derivedBuffers } from "./derived-buffers.js";
import { PRETRAINING_ONLY, type Target } from "./target.js";

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
function moduleVersions(names: Iterable<string>): Map<string, number> {
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

export const detectron2: Target = {
  name: "detectron2",
  reads: ["torch", "pickle"],
  software: "detectron2",
  dropped: PRETRAINING_ONLY,
  buffers: derivedBuffers,
  saved(tensors, layout) {
    const author = ["__author__", "mask-jepa"] as const;
    // A backbone alone is matched by the ends of names; a whole model has the names already.
    const heuristics = layout && isBackbone(layout) ? [["matching_heuristics", true] as const] : [];
    return { tensors, versions: moduleVersions(tensors.keys()), beside: [author, ...heuristics] };
  },
};
