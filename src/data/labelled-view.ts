/**
 * @file What the network sees of a labelled image in training: resized, cut out, mirrored, its colours changed
 * (Mask2Former's dataset_mappers/ on detectron2's augmentations). Rules choose, `labelled-loader.ts` carries out.
 */

import { InputError } from "../core/errors.js";
import type { Region, Size } from "../core/image.js";
import type { RandomStream } from "../core/random.js";
import type { Axis } from "../core/resample.js";
import { type ColorJitter, drawColorJitter } from "./color-jitter.js";

/** A choice for one image. */
export interface LabelledView {
  /** Of the whole image after resizing. */
  readonly resized: Size;
  /** The part of the resized image that is kept, in the upper left corner of the output. */
  readonly crop: Region;
  /** Mirrored left to right before the image is resized, or after it was cut out. */
  readonly mirror?: "before" | "after";
  readonly color?: ColorJitter;
}

/** Every image becomes `width` x `height` pixels: what the crop does not cover is padding, on the right and below. */
export interface LabelledViewRule extends Size {
  /** Chooses for an image of a size; all chance comes from `random`. */
  choose(image: Size, random: RandomStream): LabelledView;
}

/** The two axes of a view of an image. */
export function viewAxes({ width, height }: Size, { resized, crop, mirror }: LabelledView): { x: Axis; y: Axis } {
  return {
    x: { source: width, resized: resized.width, start: crop.left, length: crop.width, mirror },
    y: { source: height, resized: resized.height, start: crop.top, length: crop.height },
  };
}

/**
 * The size whose shorter side is `shortEdge`, unless the longer one would exceed `longEdge`, which it then is;
 * rounded half up, 1 at least.
 */
export function shortestEdgeSize({ width, height }: Size, shortEdge: number, longEdge: number): Size {
  const scale = shortEdge / Math.min(width, height);
  let [w, h] = height < width ? [scale * width, shortEdge] : [shortEdge, scale * height];
  const longest = Math.max(w, h);
  if (longest > longEdge) [w, h] = [w * (longEdge / longest), h * (longEdge / longest)];
  return { width: Math.max(1, Math.trunc(w + 0.5)), height: Math.max(1, Math.trunc(h + 0.5)) };
}

export interface ShortestEdgeOptions {
  /** Lengths of the shorter side to choose from, in pixels. */
  sizes: readonly number[];
  /** Limit of the longer side. */
  maxSize: number;
  /** The output, in pixels. */
  crop: Size;
  /** Whether half of the views are mirrored, default true. */
  flip?: boolean;
  /** Whether colours are changed (SSD), default true. */
  color?: boolean;
}

/**
 * Of ADE20K and Cityscapes (mask_former_semantic_dataset_mapper.py): a random length of the shorter side, a random cut
 * of at most `crop`, SSD's colour jitter, mirrored half of the time, padded to `crop`.
 * @throws InputError when there is no size to choose from
 */
export function shortestEdgeView({
  sizes,
  maxSize,
  crop,
  flip = true,
  color = true,
}: ShortestEdgeOptions): LabelledViewRule {
  if (sizes.length === 0) throw new InputError({ where: "sizes", expected: "at least one length", found: "none" });
  return {
    ...crop,
    choose(image, random) {
      const resized = shortestEdgeSize(image, sizes[random.integer(sizes.length)], maxSize);
      const height = Math.min(crop.height, resized.height);
      const width = Math.min(crop.width, resized.width);
      const top = random.integer(resized.height - height + 1);
      const left = random.integer(resized.width - width + 1);
      const jitter = drawColorJitter(random);
      const mirror = random.uniform() < 0.5 && flip ? "after" : undefined;
      return { resized, crop: { left, top, width, height }, mirror, color: color ? jitter : undefined };
    },
  };
}

/** To the nearest integer, halves to the even one. */
function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  return value - floor === 0.5 ? floor + (floor % 2) : Math.round(value);
}

export interface LargeScaleJitterOptions extends Size {
  /** The image is resized to fit into `scale` times the output, default U(0.1, 2). */
  scale?: readonly [low: number, high: number];
  /** Whether half of the views are mirrored, default true. */
  flip?: boolean;
}

/**
 * Of COCO (coco_panoptic_new_baseline_dataset_mapper.py): mirrored half of the time, resized to fit into a random
 * multiple of the output, cut where it is larger (one random number places the cut on both axes), padded where it is
 * smaller. With `scale: [1, 1]` and `flip: false` it is the whole image, as large as it fits.
 */
export function largeScaleJitterView(options: LargeScaleJitterOptions): LabelledViewRule {
  const { width, height, scale = [0.1, 2], flip = true } = options;
  return {
    width,
    height,
    choose(image, random) {
      const mirror = random.uniform() < 0.5 && flip ? "before" : undefined;
      const factor = random.uniform(...scale);
      const fit = Math.min((height * factor) / image.height, (width * factor) / image.width);
      const resized = {
        width: Math.max(1, roundHalfEven(image.width * fit)),
        height: Math.max(1, roundHalfEven(image.height * fit)),
      };
      const shift = random.uniform();
      const crop = {
        left: roundHalfEven(Math.max(0, resized.width - width) * shift),
        top: roundHalfEven(Math.max(0, resized.height - height) * shift),
        width: Math.min(width, resized.width),
        height: Math.min(height, resized.height),
      };
      return { resized, crop, mirror };
    },
  };
}
