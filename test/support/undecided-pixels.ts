/** @file Which pixels of a semantic map rounding decides: a reference in float64 that shares no code with the product. */

import type { Size } from "../../src/core/image.js";
import type { Answer, Values } from "../../src/export/onnx/try-file.js";

/** What a value may be off, as that share of the largest one of its output. */
const largest = ({ data }: Values) => Array.from(data, Number).reduce((most, x) => Math.max(most, Math.abs(x)), 0);

/** Places and weights of the two map pixels that pixel `at` of an image lies between, which is `stride` times as long. */
function between(at: number, length: number, stride: number): readonly (readonly [place: number, weight: number])[] {
  const place = Math.max(0, (at + 0.5) / stride - 0.5);
  const low = Math.floor(place);
  return [
    [low, 1 - (place - low)],
    [Math.min(low + 1, length - 1), place - low],
  ];
}

/**
 * For each pixel whether the scores of its two best classes are so close that logits which are off by `tolerance` of
 * the largest one may exchange them. A class has the score sum over queries q of p[q] s[q], p the softmax of the class
 * logits and s the sigmoid of the mask logits; off by e in class logits and by d in mask logits it is off by
 * sum p[q] (2 e s[q] + d s[q] (1 - s[q])) at most.
 */
function undecidedPixels(
  logits: Values,
  masks: Values,
  { width, height }: Size,
  tolerance: number,
): readonly boolean[] {
  const [, queries, choices] = logits.shape;
  const [high, wide] = masks.shape.slice(-2);
  const stride = height / high;
  const classes = choices - 1;
  const [e, d] = [tolerance * largest(logits), tolerance * largest(masks)];
  const chances = Array.from({ length: queries }, (_, q) => {
    const row = Array.from({ length: choices }, (_, c) => Math.exp(Number(logits.data[q * choices + c])));
    const sum = row.reduce((a, b) => a + b);
    return row.map((value) => value / sum);
  });
  return Array.from({ length: width * height }, (_, at) => {
    const rows = between(Math.floor(at / width), high, stride);
    const columns = between(at % width, wide, stride);
    const scores = new Array<number>(classes).fill(0);
    const moves = new Array<number>(classes).fill(0);
    for (let q = 0; q < queries; q++) {
      let x = 0;
      for (const [y, wy] of rows)
        for (const [z, wz] of columns) x += wy * wz * Number(masks.data[(q * high + y) * wide + z]);
      const s = 1 / (1 + Math.exp(-x));
      for (let c = 0; c < classes; c++) {
        scores[c] += chances[q][c] * s;
        moves[c] += chances[q][c] * (2 * e * s + d * s * (1 - s));
      }
    }
    const best = scores.indexOf(Math.max(...scores));
    return scores.some((score, c) => c !== best && scores[best] - score <= moves[best] + moves[c]);
  });
}

/** The same of the answer for an image, by the names that files have. */
export const undecidedIn = (answer: Answer, image: Size, tolerance: number): readonly boolean[] =>
  undecidedPixels(
    answer.get("class_queries_logits") as Values,
    answer.get("masks_queries_logits") as Values,
    image,
    tolerance,
  );
