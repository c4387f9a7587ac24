/** @file Which training images the classifiers of a probe learn from. */

import { parseLabelShare, subsetIndices } from "../data/datasets/subset.js";
import type { LabelSubset } from "../features/map-scores.js";
import type { Share } from "./results.js";

/**
 * For each of the shares that are asked for as many subsets as `repeats`, one where it is all images; those of a seed
 * are the ones that `finetune --labels` takes with it.
 * @throws InputError for a share that is none
 */
export function labelSubsets(
  labels: readonly string[],
  repeats: number,
  images: readonly number[],
): { shares: Share[]; subsets: LabelSubset[] } {
  const subsets: LabelSubset[] = [];
  const shares: Share[] = [];
  for (const text of new Set(labels.map((label) => label.trim()))) {
    const share = parseLabelShare(text);
    const whole = subsetIndices(images.length, share, 0).length === images.length;
    const seeds = Array.from({ length: whole ? 1 : repeats }, (_, seed) => seed);
    const places = seeds.map((seed) => {
      const indices = new Set(subsetIndices(images.length, share, seed).map((i) => images[i]));
      return subsets.push({ name: `--labels ${text}, subset ${seed}`, indices }) - 1;
    });
    shares.push({ labels: text, images: subsets[places[0]].indices.size, seeds, subsets: places });
  }
  return { shares, subsets };
}
