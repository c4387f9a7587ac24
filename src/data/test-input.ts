/** @file What the network sees of an image when it is used (mask-classification reference, 5.7). */
import type { RgbImage } from "../io/image-file.js";
import { normalise } from "./augment.js";
import { shortestEdgeSize } from "./labelled-view.js";
import { resizeBilinear } from "./resample.js";

/** Sides of the network's input are multiples of this. */
const MULTIPLE = 32;

export interface TestInput {
  /** Float32 [3, paddedHeight, paddedWidth] in memory that native threads may share; normalised, 0 where it is padded. */
  readonly planes: Float32Array;
  /** Of the resized image, in the upper left corner of `planes`. */
  readonly width: number;
  readonly height: number;
  readonly paddedWidth: number;
  readonly paddedHeight: number;
}

/** The whole image, its shorter side resized to `shortEdge` unless the longer one would exceed `longEdge`. */
export function testInput(
  image: RgbImage,
  { shortEdge, longEdge }: { shortEdge: number; longEdge: number },
): TestInput {
  const { width, height } = shortestEdgeSize(image, shortEdge, longEdge);
  const resized = resizeBilinear(
    image,
    { source: image.width, resized: width, start: 0, length: width },
    { source: image.height, resized: height, start: 0, length: height },
  );
  const [paddedWidth, paddedHeight] = [width, height].map((side) => Math.ceil(side / MULTIPLE) * MULTIPLE);
  const planes = new Float32Array(new SharedArrayBuffer(4 * 3 * paddedWidth * paddedHeight));
  normalise(resized, planes, false, { width: paddedWidth, height: paddedHeight });
  return { planes, width, height, paddedWidth, paddedHeight };
}
