/** @file The random numbers of fine-tuning besides the data's: each a function of (seed, step, sample, purpose). */

import { RandomStream } from "../core/random.js";
import type { PointDraws } from "./criterion-options.js";

/** Points for the micro-batch whose first image is number `first` of the batch of a step. */
export function pointDraws(seed: number, step: number, first: number): PointDraws {
  const fill = (image: number, purpose: string, out: Float32Array) => {
    new RandomStream({ seed, step, sample: first + image, purpose }).fillUniform(out);
  };
  return {
    matching: (output, image, out) => fill(image, `matching points/${output}`, out),
    candidates: (output, image, pair, out) => fill(image, `candidate points/${output}/${pair}`, out),
    uniform: (output, image, pair, out) => fill(image, `uniform points/${output}/${pair}`, out),
  };
}
