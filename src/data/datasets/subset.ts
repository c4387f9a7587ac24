/** @file Some images of a labelled source: a share of the labels, or those that can be trained on. */

import { InputError } from "../../core/errors.js";
import { RandomStream } from "../../core/random.js";
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
 */
export async function trainableImages(
  source: LabelledSplit,
  onProgress?: (done: number, total: number) => void,
): Promise<number[]> {
  const kept: number[] = [];
  for (let index = 0; index < source.length; index++) {
    if (source.task !== "instance" || (await hasObject(source, index))) kept.push(index);
    onProgress?.(index + 1, source.length);
  }
  if (kept.length > 0) return kept;
  throw new InputError({
    where: "the labels",
    expected: "an image with an object",
    found: `none in ${source.length} images`,
  });
}

async function hasObject(source: LabelledSplit, index: number): Promise<boolean> {
  if (source.hasObjects) return source.hasObjects(index);
  try {
    return (await source.instances(index)).instances.some(({ crowd }) => !crowd);
  } catch (error) {
    if (error instanceof InputError) return true;
    throw error;
  }
}
