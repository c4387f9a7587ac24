/** @file What a model makes of an image, over a picture of it: as pages show it. */

import type { Image, Size } from "../core/image.js";
import { resizeImage } from "../core/resample.js";
import { resizeMask, resizePanoptic, resizeSemantic } from "../masks/resize.js";
import type { SegmentationClass, Task } from "../masks/segmentation.js";
import { type MaskSet, overlay, type Segmentation } from "../viz/overlay.js";
import type { Prediction } from "./predictor.js";

/**
 * Pixels of the longer side: enough for a third of the page on a fine screen; smaller images are enlarged to the lower
 * bound.
 */
const SIDE = { least: 384, most: 640 };

/** Predicted instances below this score are not drawn: a model gives up to a hundred an image. */
export const DRAWN_SCORE = 0.5;

/** The image at the size of a picture. */
export function pictureOf(image: Image): Image {
  const side = Math.max(image.width, image.height);
  const scale = Math.min(SIDE.most, Math.max(SIDE.least, side)) / side;
  const [width, height] = [image.width, image.height].map((side) => Math.max(1, Math.round(side * scale)));
  return resizeImage(image, { width, height });
}

/** The part of a prediction that is drawn for a task. */
export function drawnPart(
  { semantic, panoptic, instances = [] }: Omit<Prediction, "confidence">,
  task: Task,
  { width, height }: Image,
): Segmentation {
  const map = { semantic, panoptic, instance: undefined }[task];
  return map ?? { width, height, instances: instances.filter(({ score }) => score >= DRAWN_SCORE) };
}

/** A segmentation over a picture, at whose size outlines and names are drawn: that in which they are seen. */
export function drawOver(picture: Image, segmentation: Segmentation, classes: readonly SegmentationClass[]): Image {
  return overlay(picture, fitted(segmentation, picture), classes);
}

function fitted(segmentation: Segmentation, { width, height }: Size): Segmentation {
  const size = { width, height };
  if ("labels" in segmentation) return resizeSemantic(segmentation, size);
  if ("ids" in segmentation) return resizePanoptic(segmentation, size);
  const instances = segmentation.instances.map((one) => ({ ...one, mask: resizeMask(one.mask, size) }));
  return { ...size, instances } satisfies MaskSet;
}
