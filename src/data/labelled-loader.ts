/** @file Batches of labelled images for training: normalised pixels, and a target for each segment. */

import { InputError } from "../core/errors.js";
import type { Image, Size } from "../core/image.js";
import { RandomStream } from "../core/random.js";
import { resizeBilinear } from "../core/resample.js";
import type { Target } from "../masks/segmentation.js";
import { fillGrey, normalise } from "./augment.js";
import { imageMemory, maskMemory } from "./batch-memory.js";
import { type BatchRecord, createBatches, type Loader } from "./batches.js";
import { jitterColors } from "./color-jitter.js";
import { type LabelledSource, requireLabelSize } from "./labelled-source.js";
import { type LabelledView, type LabelledViewRule, viewAxes } from "./labelled-view.js";
import { decodeImage, subsetOf } from "./source.js";
import { instanceTargets, panopticTargets, semanticTargets, type TargetView } from "./targets.js";

/** What `createLabelledLoader` gives for a step. */
export interface LabelledBatch extends BatchRecord {
  /** Normalised float32 [batch, 3, height, width] in memory that native threads may share. */
  readonly images: Float32Array;
  /** The targets of each slot; there may be none. Their masks are part of the memory that `release` gives back. */
  readonly targets: readonly (readonly Target[])[];
}

export interface LabelledLoaderOptions {
  source: LabelledSource;
  seed: number;
  /** Images a batch. */
  batch: number;
  /** What of each image is seen, and the size of all of them. */
  view: LabelledViewRule;
  /** Batches to make ahead, default 1. Memory of each: height * width bytes for 12 * batch and for every target. */
  prefetch?: number;
  /** The images to use, by their index in the source; default all. */
  indices?: readonly number[];
  /**
   * Whether segments that the view lost remain targets with an empty mask, default true; the official COCO instance
   * recipe alone says false.
   */
  keepEmpty?: boolean;
}

export type LabelledLoader = Loader<LabelledBatch>;

/** What padding shows, in every channel. */
const PADDING = 128;

/** Memory for the masks of one view. */
const MAX_MASK_BYTES = 2 ** 31;

function tooManyObjects(count: number, { width, height }: Size, name: string): InputError {
  const most = Math.floor(MAX_MASK_BYTES / (width * height));
  return new InputError({
    where: name,
    expected: `at most ${most} objects`,
    found: `${count} objects, whose masks of ${width}x${height} take more than 2 GiB`,
    fix: "Cut the image into tiles, or train on a smaller crop.",
  });
}

/** One view of an image, in planes [3, height, width] of the size that is padded to. */
function renderLabelledView(image: Image, view: LabelledView, size: Size, out: Float32Array): void {
  const { x, y } = viewAxes(image, view);
  const seen = resizeBilinear(image, x, y);
  if (view.color) jitterColors(seen, view.color);
  if (seen.width < size.width || seen.height < size.height) fillGrey(out, PADDING);
  normalise(seen, out, false, size);
}

/** Reads what a source's task calls for; targets of the view come when its choice is known. */
async function readLabels(
  source: LabelledSource,
  index: number,
): Promise<Size & { targets(view: TargetView): Target[] }> {
  switch (source.task) {
    case "semantic": {
      const map = await source.semantic(index);
      return { width: map.width, height: map.height, targets: (view) => semanticTargets(map, view) };
    }
    case "panoptic": {
      const map = await source.panoptic(index);
      return { width: map.width, height: map.height, targets: (view) => panopticTargets(map, view) };
    }
    case "instance": {
      const set = await source.instances(index);
      return { width: set.width, height: set.height, targets: (view) => instanceTargets(set, view) };
    }
  }
}

/**
 * A loader over labelled images. One whose image or labels cannot be used, or whose sizes differ, is replaced and
 * listed in `skipped`; `createBatches` says how. The official code groups images by orientation so that those of a
 * batch need little padding; views of one size make that needless.
 */
export function createLabelledLoader(options: LabelledLoaderOptions): LabelledLoader {
  const { source, seed, batch, view: rule, prefetch = 1, indices, keepEmpty = true } = options;
  const size = { width: rule.width, height: rule.height };
  const pixels = size.width * size.height;
  const images = imageMemory(3 * batch * pixels);
  const masks = maskMemory(pixels);
  return createBatches({
    source: indices ? subsetOf(source, indices) : source,
    seed,
    batch,
    prefetch,
    dispose() {
      images.clear();
      masks.clear();
    },
    assemble(step) {
      const planes = images.take();
      const targets: Target[][] = Array.from({ length: batch }, () => []);
      const taken: Uint8Array[] = [];
      const takeMasks = (count: number, name: string) => {
        if (count * pixels > MAX_MASK_BYTES) throw tooManyObjects(count, size, name);
        const memory = masks.take(count);
        taken.push(memory);
        return memory;
      };
      return {
        content: { images: planes, targets },
        release() {
          images.give(planes);
          for (const memory of taken) masks.give(memory);
        },
        async fill(slot, drawn) {
          const index = indices ? indices[drawn] : drawn;
          const name = source.name(index);
          const image = await decodeImage(source, index);
          const labels = await readLabels(source, index);
          requireLabelSize(name, image, labels);
          const view = rule.choose(image, new RandomStream({ seed, purpose: "labelled view", step, sample: slot }));
          targets[slot] = labels.targets({
            view,
            size,
            keepEmpty,
            takeMasks: (count) => takeMasks(count, name),
          });
          renderLabelledView(image, view, size, planes.subarray(3 * pixels * slot, 3 * pixels * (slot + 1)));
        },
      };
    },
  });
}
