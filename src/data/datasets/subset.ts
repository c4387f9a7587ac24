/** @file Some images of a labelled source: a share of the labels, or those that can be trained on. */

import { InputError } from "../../core/errors.js";
import { RandomStream } from "../../core/random.js";
import { IGNORED, type Task } from "../../masks/segmentation.js";
import type { LabelledSplit } from "./split.js";

/** How much of the labels is used: a share of the images, or a number of them. */
export type LabelShare = { readonly share: number } | { readonly images: number };

/** Reads `10%` or `50`. @throws InputError naming `where` */
export function parseLabelShare(text: string, where = "--labels"): LabelShare {
  const [, number, percent] = /^\s*(\d+(?:\.\d+)?)\s*(%?)\s*$/.exec(text) ?? [];
  const value = Number(number);
  if (number !== undefined && percent && value > 0 && value <= 100) return { share: value / 100 };
  if (number !== undefined && !percent && Number.isInteger(value) && value > 0) return { images: value };
  throw new InputError({ where, expected: "a share such as 10% or a number of images", found: text });
}

/** Images of a source of `length` that a share means: rounded, at least one. */
function imagesOf(share: LabelShare, length: number): number {
  const wanted = "images" in share ? share.images : Math.round(share.share * length);
  return Math.min(length, Math.max(1, wanted));
}

/** The images at `indices`, in that order, as a source. */
export function labelledSubsetOf(source: LabelledSplit, indices: readonly number[]): LabelledSplit {
  const { hasObjects, cityscapes } = source;
  return {
    ...source,
    length: indices.length,
    name: (index) => source.name(indices[index]),
    read: (index) => source.read(indices[index]),
    size: (index) => source.size(indices[index]),
    imageId: (index) => source.imageId(indices[index]),
    hasObjects: hasObjects && ((index) => hasObjects(indices[index])),
    semantic: (index) => source.semantic(indices[index]),
    instances: (index) => source.instances(indices[index]),
    panoptic: (index) => source.panoptic(indices[index]),
    cityscapes: cityscapes && {
      ignored: (index) => cityscapes.ignored(indices[index]),
      objects: (index) => cityscapes.objects(indices[index]),
    },
  };
}

/**
 * A part of the labelled images that depends on the seed and the number of images alone, so that every arm of a
 * comparison sees the same; a smaller share lies within a larger one. The order of the source is kept.
 */
export function labelledSubset(source: LabelledSplit, share: LabelShare, seed: number): LabelledSplit {
  const order = new RandomStream({ seed, purpose: "labels" }).permutation(source.length);
  return labelledSubsetOf(
    source,
    Array.from(order.subarray(0, imagesOf(share, source.length))).sort((a, b) => a - b),
  );
}

/**
 * Indices of the images to train on: for instances those with an object that is no crowd, as the reference filters
 * (5.6); for other tasks all. JSON files say it at once; label maps have to be read, and an image whose label cannot be
 * read stays in, to be reported by whoever trains on it.
 * @throws InputError when no label that can be read has anything to predict
 */
export async function trainableImages(
  source: LabelledSplit,
  onProgress?: (done: number, total: number) => void,
): Promise<number[]> {
  const indices = Array.from({ length: source.length }, (_, i) => i);
  if (source.task !== "instance") {
    await requireTarget(source);
    return indices;
  }
  const kept: number[] = [];
  for (const index of indices) {
    if ((await hasTarget(source, index)) !== false) kept.push(index);
    onProgress?.(index + 1, source.length);
  }
  if (kept.length > 0) return kept;
  throw nothingToLearn(source.task, source.length);
}

/** Reads labels up to the first that has something to predict. */
async function requireTarget(source: LabelledSplit): Promise<void> {
  let empty = 0;
  for (let index = 0; index < source.length; index++) {
    const found = await hasTarget(source, index);
    if (found) return;
    if (found === false) empty++;
  }
  if (empty > 0) throw nothingToLearn(source.task, empty);
}

/** Whether an image has a pixel of a class, an object or a segment that is no crowd; undefined for an unreadable label. */
async function hasTarget(source: LabelledSplit, index: number): Promise<boolean | undefined> {
  try {
    switch (source.task) {
      case "semantic":
        return (await source.semantic(index)).labels.some((label) => label !== IGNORED);
      case "panoptic":
        return (await source.panoptic(index)).segments.some(({ crowd }) => !crowd);
      case "instance":
        if (source.hasObjects) return source.hasObjects(index);
        return (await source.instances(index)).instances.some(({ crowd }) => !crowd);
    }
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

const TARGETS: Record<Task, readonly [wanted: string, found: string]> = {
  semantic: ["a pixel of a class", "only pixels of ignored values"],
  instance: ["an object that is no crowd", "none"],
  panoptic: ["a segment that is no crowd", "none"],
};

/** Why labels without anything to predict cannot be trained on. */
export function nothingToLearn(task: Task, images: number): InputError {
  const [expected, found] = TARGETS[task];
  return new InputError({
    where: `the ${task} labels`,
    expected,
    found: `${found} in ${images} ${images === 1 ? "image" : "images"}`,
    fix: "Check what the description of the data ignores (ignore, id_map), and that labels belong to the task.",
  });
}
