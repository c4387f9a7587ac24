/** @file What the network says of one image, and where that image lies in it. */

import type { Size } from "../core/image.js";

/** Sizes of one image on its way: as it came (`original`), resized (`input`), padded right and below (`padded`). */
export interface ImageSizes {
  readonly original: Size;
  readonly input: Size;
  readonly padded: Size;
}

export interface NetworkOutput {
  readonly queries: number;
  /** Without "no object". */
  readonly classes: number;
  /** [queries, classes + 1], "no object" last. */
  readonly logits: Float32Array;
  /** Mask logits at a quarter of the padded size, [queries, height / 4, width / 4]. */
  readonly masks: Float32Array;
}

/** Between pixels of the mask logits and pixels of the network's input. */
export const MASK_STRIDE = 4;

export function maskGrid({ padded }: ImageSizes): Size {
  return { width: padded.width / MASK_STRIDE, height: padded.height / MASK_STRIDE };
}

/** Softmax over the classes and "no object": [queries, classes + 1]. */
export function classProbabilities({ queries, classes, logits }: NetworkOutput): Float32Array {
  const width = classes + 1;
  const probabilities = new Float32Array(queries * width);
  for (let start = 0; start < probabilities.length; start += width) {
    const row = logits.subarray(start, start + width);
    const peak = row.reduce((a, b) => Math.max(a, b));
    const exponentials = Array.from(row, (logit) => Math.exp(logit - peak));
    const sum = exponentials.reduce((a, b) => a + b);
    exponentials.forEach((value, c) => {
      probabilities[start + c] = value / sum;
    });
  }
  return probabilities;
}
