/** @file The few labelled images by which a run is probed: the same ones every time. */

import { InputError } from "../core/errors.js";
import { RandomStream } from "../core/random.js";
import { USUAL_SPLITS } from "../data/datasets/data-set.js";
import { openDataSet } from "../data/datasets/open-data.js";
import { openProbeSplits } from "../data/datasets/semantic-split.js";
import type { LabelledSplit } from "../data/datasets/split.js";
import { requireTarget } from "../data/datasets/subset.js";
import type { BadFile } from "../data/source.js";
import { keptSquares, type ProbeImages } from "../features/probe-images.js";

export interface ProbeDataOptions {
  readonly data: string;
  readonly root?: string;
  /** Of each split, at most. */
  readonly images: number;
  /** Side of the squares, as the network sees them. */
  readonly side: number;
}

/** Images to learn from and images to score on, and those that were passed over. */
export interface ProbeData {
  readonly train: ProbeImages;
  readonly test: ProbeImages;
  readonly faults: readonly BadFile[];
}

/**
 * Opens what a run is probed with. It is scored on "val", since the best checkpoint is chosen by it, and on "test"
 * where that is all there is.
 * @throws InputError when the data cannot be read, or no image of a split can be used
 */
export async function openProbeData({ data, root, images, side }: ProbeDataOptions): Promise<ProbeData> {
  const dataSet = await openDataSet(data, { root });
  const splits = await openProbeSplits(dataSet, { scored: [USUAL_SPLITS.val, "test"] });
  const some = async (split: LabelledSplit, name: string) => {
    const order = new RandomStream({ seed: 0, purpose: "probe" }).permutation(split.length);
    const kept = await keptSquares(split, [...order], { side, count: images });
    const where = `${data} ${name}`;
    if (kept.groups.length > 0) {
      await requireTarget(split, kept.groups[0].indices, where);
      return kept;
    }
    const [first] = kept.faults;
    throw new InputError({
      where,
      expected: "at least one image that can be used",
      found: `none; ${first.file}: ${first.reason}`,
    });
  };
  const train = await some(splits.train, splits.names.train);
  const test = await some(splits.test, splits.names.test);
  return { train, test, faults: [...train.faults, ...test.faults] };
}
