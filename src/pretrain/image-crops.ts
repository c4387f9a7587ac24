/** @file Centre crops of the images that can be used. */

import { InputError } from "../core/errors.js";
import type { BadFile, ImageSource } from "../data/source.js";
import { centreCrops } from "./held-out.js";

/** A crop [3, size, size], normalised, and what to call it. */
export interface NamedCrop {
  name: string;
  crop: Float32Array;
}

/** The first `count` of the images `indices` that can be decoded, as centre crops, and those passed over on the way. */
export async function usableCrops(
  source: ImageSource,
  indices: readonly number[],
  size: number,
  count: number,
): Promise<{ images: NamedCrop[]; skipped: BadFile[] }> {
  const images: NamedCrop[] = [];
  const skipped: BadFile[] = [];
  for (const index of indices) {
    if (images.length === count) break;
    const name = source.name(index);
    try {
      const [crop] = await centreCrops(source, [index], size);
      images.push({ name, crop });
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      skipped.push({ file: name, reason: error.problem.found });
    }
  }
  return { images, skipped };
}
