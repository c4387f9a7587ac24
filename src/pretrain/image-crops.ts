/** @file Centre crops of the images that can be used. */

import { InputError } from "../core/errors.js";
import type { BadFile, ImageSource } from "../data/source.js";
import { type Crops, centreCrops } from "./held-out.js";

/** A crop [3, size, size], normalised, and what to call it. */
export interface NamedCrop {
  name: string;
  crop: Float32Array;
}

/**
 * Goes through the images `indices` until `count` of them have been decoded, as centre crops, which `take` is handed.
 * @returns those passed over on the way
 */
export async function takeUsable(
  source: ImageSource,
  indices: readonly number[],
  { size, count }: { readonly size: number; readonly count: number },
  take: (index: number, crop: Float32Array) => void,
): Promise<BadFile[]> {
  const skipped: BadFile[] = [];
  let taken = 0;
  for (const index of indices) {
    if (taken === count) break;
    try {
      const [crop] = await centreCrops(source, [index], size);
      take(index, crop);
      taken++;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      skipped.push({ file: source.name(index), reason: error.problem.found });
    }
  }
  return skipped;
}

/** The first `count` of the images `indices` that can be decoded, as centre crops, and those passed over on the way. */
export async function usableCrops(
  source: ImageSource,
  indices: readonly number[],
  size: number,
  count: number,
): Promise<{ images: NamedCrop[]; skipped: BadFile[] }> {
  const images: NamedCrop[] = [];
  const skipped = await takeUsable(source, indices, { size, count }, (index, crop) => {
    images.push({ name: source.name(index), crop });
  });
  return { images, skipped };
}

/**
 * The crops of images, each cut when its turn comes, so that one is in memory at a time; `used` is told how many are
 * done.
 */
export function cutOneByOne(
  source: ImageSource,
  indices: readonly number[],
  size: number,
  used: (done: number) => void = () => {},
): Crops {
  return {
    length: indices.length,
    async *[Symbol.asyncIterator]() {
      for (const [i, index] of indices.entries()) {
        yield (await centreCrops(source, [index], size))[0];
        used(i + 1);
      }
    },
  };
}
