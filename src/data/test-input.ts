/** @file What the network sees of an image when it is used (detectron2's ResizeShortestEdge, then padding). */

import type { Image, Size } from "../core/image.js";
import { resizeImage } from "../core/resample.js";
import { sharedMemory } from "../core/tensor-data.js";
import { normalise } from "./augment.js";
import { shortestEdgeSize } from "./labelled-view.js";

/** Sides of the network's input are multiples of this. */
export const MULTIPLE = 32;

/** Size of the resized image, in the upper left corner of the input, and that of the input. */
export interface TestSize extends Size {
  readonly paddedWidth: number;
  readonly paddedHeight: number;
}

export interface TestInput extends TestSize {
  /**
   * Float32 [3, paddedHeight, paddedWidth] in memory that native threads may share; normalised, 0 where it is padded.
   */
  readonly planes: Float32Array;
}

/** The size of a resized image: its shorter side `shortEdge` unless the longer one would exceed `longEdge`. */
export interface TestEdges {
  readonly shortEdge: number;
  readonly longEdge: number;
}

/** The sizes at which the network sees an image of this size. */
export function testSize(image: Size, { shortEdge, longEdge }: TestEdges): TestSize {
  return paddedSize(shortestEdgeSize(image, shortEdge, longEdge));
}

/** A size with what it is padded to. */
export function paddedSize({ width, height }: Size): TestSize {
  const padded = (side: number) => Math.ceil(side / MULTIPLE) * MULTIPLE;
  return { width, height, paddedWidth: padded(width), paddedHeight: padded(height) };
}

/** The whole image, resized to a size and padded right and below. */
export function testInput(image: Image, size: TestSize): TestInput {
  const { paddedWidth, paddedHeight } = size;
  const planes = new Float32Array(sharedMemory(4 * 3 * paddedWidth * paddedHeight));
  normalise(resizeImage(image, size), planes, false, { width: paddedWidth, height: paddedHeight });
  return { ...size, planes };
}
