/**
 * @file Labelled images as a probe sees them, in groups of one input size; those that cannot be used are passed over.
 */

import { InputError } from "../core/errors.js";
import { type Image, regionOf } from "../core/image.js";
import { badFileOf } from "../data/datasets/data-fault.js";
import type { LabelledSplit } from "../data/datasets/split.js";
import { type BadFile, decodeImage } from "../data/source.js";
import { type TestEdges, type TestInput, testInput, testSize } from "../data/test-input.js";
import type { SegmentationClass, SemanticMap } from "../masks/segmentation.js";

export interface ProbeImage {
  readonly index: number;
  readonly name: string;
  readonly image: Image;
  readonly input: TestInput;
  readonly truth: SemanticMap;
}

/** Images of one padded size. */
export interface SizeGroup {
  readonly paddedWidth: number;
  readonly paddedHeight: number;
  readonly indices: readonly number[];
}

export interface ProbeImages {
  readonly classes: readonly SegmentationClass[];
  readonly groups: readonly SizeGroup[];
  /** Undefined for an image that cannot be used, which is listed among the faults. */
  load(index: number): Promise<ProbeImage | undefined>;
  readonly faults: readonly BadFile[];
}

/** The images `indices` of a split, shown to the network at the size that `edges` say. */
export async function probeImages(
  split: LabelledSplit,
  indices: readonly number[],
  edges: TestEdges,
): Promise<ProbeImages> {
  const faults: BadFile[] = [];
  const orFault = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.push(badFileOf(error));
      return undefined;
    }
  };
  const groups = new Map<string, { paddedWidth: number; paddedHeight: number; indices: number[] }>();
  for (const index of indices) {
    const size = await orFault(() => split.size(index));
    if (!size) continue;
    const { paddedWidth, paddedHeight } = testSize(size, edges);
    const key = `${paddedWidth}x${paddedHeight}`;
    const group = groups.get(key) ?? { paddedWidth, paddedHeight, indices: [] };
    group.indices.push(index);
    groups.set(key, group);
  }
  return {
    classes: split.classes,
    groups: [...groups.values()],
    faults,
    load: (index) =>
      orFault(async () => {
        const [image, truth] = await Promise.all([decodeImage(split, index), split.semantic(index)]);
        return { index, name: split.name(index), image, input: testInput(image, testSize(image, edges)), truth };
      }),
  };
}

/**
 * The first `count` of the images `indices` that can be used, kept in memory: their largest centre squares, which the
 * network sees with a side of `side` pixels, a multiple of 32.
 */
export async function keptSquares(
  split: LabelledSplit,
  indices: readonly number[],
  { side, count }: { readonly side: number; readonly count: number },
): Promise<ProbeImages> {
  const seen = { width: side, height: side, paddedWidth: side, paddedHeight: side };
  const kept = new Map<number, ProbeImage>();
  const faults: BadFile[] = [];
  for (const index of indices) {
    if (kept.size === count) break;
    try {
      const [whole, all] = await Promise.all([decodeImage(split, index), split.semantic(index)]);
      const length = Math.min(whole.width, whole.height);
      const square = { width: length, height: length };
      const region = { ...square, left: (whole.width - length) >> 1, top: (whole.height - length) >> 1 };
      const image = { ...square, data: regionOf(whole.data, whole, region, 3) };
      const truth = { ...square, labels: regionOf(all.labels, all, region) };
      kept.set(index, { index, name: split.name(index), image, input: testInput(image, seen), truth });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      faults.push(badFileOf(error));
    }
  }
  const groups = kept.size > 0 ? [{ ...seen, indices: [...kept.keys()] }] : [];
  return { classes: split.classes, groups, faults, load: async (index) => kept.get(index) };
}
