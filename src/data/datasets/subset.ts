/** @file Some images of a labelled source: a share of the labels, or those that can be trained on. */

import { InputError } from "../../core/errors.js";
import { RandomStream } from "../../core/random.js";
import type { Task } from "../../masks/segmentation.js";
import { decodeImage } from "../source.js";
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

/** Images of `length` that a share means: rounded, at least one. @throws InputError for more than there are */
function imagesOf(share: LabelShare, length: number): number {
  if (!("images" in share)) return Math.min(length, Math.max(1, Math.round(share.share * length)));
  const { images } = share;
  if (images <= length) return images;
  const fix = "100% means all of them.";
  throw new InputError({ where: "--labels", expected: `at most ${length} labelled images`, found: `${images}`, fix });
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
    hasTarget: (index) => source.hasTarget(indices[index]),
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
 * Which of `length` labelled images a share means, ascending: they depend on the seed and the number of images alone,
 * so that every arm of a comparison sees the same; a smaller share lies within a larger one.
 * @throws InputError for a number of images that is larger than `length`
 */
export function subsetIndices(length: number, share: LabelShare, seed: number): number[] {
  const order = new RandomStream({ seed, purpose: "labels" }).permutation(length);
  return Array.from(order.subarray(0, imagesOf(share, length))).sort((a, b) => a - b);
}

/** That part of the images of a source, in its order. */
export function labelledSubset(source: LabelledSplit, share: LabelShare, seed: number): LabelledSplit {
  return labelledSubsetOf(source, subsetIndices(source.length, share, seed));
}

/**
 * Indices of the images to train on: for instances those with an object that is no crowd, as detectron2 filters
 * (5.6); for other tasks all. JSON files say it at once; label maps have to be read, and an image whose label cannot be
 * read stays in, to be reported by whoever trains on it.
 * @throws InputError when not one of them can be read and has anything to predict
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
  const seen = kept.length > 0 ? await seekTarget(source, kept) : { empty: source.length, unusable: 0 };
  if (seen) throw nothingToLearn(source.task, seen);
  return kept;
}

async function hasObject(source: LabelledSplit, index: number): Promise<boolean> {
  if (source.hasObjects) return source.hasObjects(index);
  try {
    return await source.hasTarget(index);
  } catch (error) {
    if (error instanceof InputError) return true;
    throw error;
  }
}

/** What there is where nothing can be predicted. */
export interface NoTarget {
  /** Images without anything to predict, and images that cannot be used. */
  readonly empty: number;
  readonly unusable: number;
  /** Why the first of those cannot be used. */
  readonly first?: InputError;
}

/**
 * Looks for one image that can be read and has anything to predict: next to nothing where most have, while a source
 * without any is read to its end.
 * @param indices where to look
 * @returns undefined when there is one
 */
export async function seekTarget(source: LabelledSplit, indices: Iterable<number>): Promise<NoTarget | undefined> {
  let [empty, unusable] = [0, 0];
  let first: InputError | undefined;
  for (const index of indices) {
    try {
      if (await source.hasTarget(index)) {
        await decodeImage(source, index);
        return undefined;
      }
      empty++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      unusable++;
      first ??= error;
    }
  }
  return { empty, unusable, first };
}

/** @throws InputError naming `where` when no image at `indices` can be read and has anything to predict */
export async function requireTarget(source: LabelledSplit, indices: Iterable<number>, where: string): Promise<void> {
  const seen = await seekTarget(source, indices);
  if (seen) throw nothingToLearn(source.task, seen, where);
}

const TARGETS: Record<Task, readonly [wanted: string, found: string]> = {
  semantic: ["a pixel of a class", "only pixels of ignored values"],
  instance: ["an object that is no crowd", "none"],
  panoptic: ["a segment that is no crowd", "none"],
};

/** Why labels without anything to predict cannot be trained on. */
export function nothingToLearn(
  task: Task,
  { empty, unusable, first }: NoTarget,
  where = `the ${task} labels`,
): InputError {
  const [expected, nothing] = TARGETS[task];
  const images = (count: number) => `${count} ${count === 1 ? "image" : "images"}`;
  const found = [];
  if (empty > 0) found.push(`${nothing} in ${images(empty)}`);
  if (first) {
    const { problem } = first;
    found.push(
      `${images(unusable)} that cannot be used (${problem.where}: ${problem.found} in place of ${problem.expected})`,
    );
  }
  const fix = first
    ? "mask-jepa data check lists what is wrong with each."
    : "Check what the description of the data ignores (ignore, id_map), and that labels belong to the task.";
  return new InputError({ where, expected, found: found.join(", and "), fix });
}
