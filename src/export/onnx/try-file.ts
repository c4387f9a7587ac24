/** @file Runs a file on images and compares what it gives with what it should. */

import type { Image } from "../../core/image.js";
import type { Shape } from "../../core/tensor-data.js";
import { normalise } from "../../data/augment.js";
import { type PlainSession, type PlainTensor, plainTensor } from "../../runtime/plain-onnxruntime.js";
import { PIXELS } from "./image-input.js";
import type { Trial } from "./trial-images.js";

/** Values of one image [1, ..]. */
export interface Values {
  readonly shape: Shape;
  readonly data: ArrayLike<number | bigint>;
}

/** All outputs of a file for one image, by name. */
export type Answer = ReadonlyMap<string, Values>;

export interface PixelCount {
  readonly equal: number;
  readonly all: number;
}

export interface Expectation {
  /** What the network gives for an image; of maps the part that the file gives is compared. */
  outputs(image: Image): Promise<Answer>;
  /** How many pixels get the label that they should; absent where nothing is labelled. */
  pixels?(image: Image, answer: Answer): Promise<PixelCount>;
}

export interface Comparison {
  /** The largest difference of any output, as a share of the largest value of that output. */
  readonly difference: number;
  /** Share of pixels with the same label; undefined where nothing is labelled. */
  readonly equalPixels?: number;
}

/**
 * Compares a file's answers with what is expected.
 * @param session the file, open
 * @param normalised whether it takes bytes
 */
export async function tryFile(
  session: PlainSession,
  trials: readonly Trial[],
  expected: Expectation,
  normalised: boolean,
): Promise<Comparison> {
  let difference = 0;
  const pixels = { equal: 0, all: 0 };
  for (const images of trials) {
    const outputs = await session.run({ [PIXELS]: normalised ? bytesOf(images) : planesOf(images) });
    for (const [i, image] of images.entries()) {
      const answer = new Map(Object.entries(outputs).map(([name, values]) => [name, ofImage(values, i)]));
      for (const [name, wanted] of await expected.outputs(image)) {
        difference = larger(difference, differenceOf(wanted, answer.get(name) as Values));
      }
      const counted = await expected.pixels?.(image, answer);
      pixels.equal += counted?.equal ?? 0;
      pixels.all += counted?.all ?? 0;
    }
  }
  return { difference, ...(pixels.all > 0 && { equalPixels: pixels.equal / pixels.all }) };
}

/** [N, H, W, 3]. */
function bytesOf(images: Trial): PlainTensor {
  const [{ width, height }] = images;
  const data = new Uint8Array(images.length * height * width * 3);
  images.forEach((image, i) => {
    data.set(image.data, i * image.data.length);
  });
  return plainTensor("uint8", data, [images.length, height, width, 3]);
}

/** [N, 3, H, W]. */
function planesOf(images: Trial): PlainTensor {
  const [{ width, height }] = images;
  const length = 3 * height * width;
  const data = new Float32Array(images.length * length);
  images.forEach((image, i) => {
    normalise(image, data.subarray(i * length, (i + 1) * length));
  });
  return plainTensor("float32", data, [images.length, 3, height, width]);
}

function ofImage({ dims: [count, ...lengths], data }: PlainTensor, i: number): Values {
  const length = data.length / count;
  return { shape: [1, ...lengths], data: data.subarray(i * length, (i + 1) * length) };
}

/** Not a number stays what it is. */
const larger = (a: number, b: number) => (a >= b ? a : b);

/** The largest difference as a share of the largest value, over the upper left part that both have. */
function differenceOf(wanted: Values, found: Values): number {
  const [from, to] = [wanted.shape.at(-1) as number, found.shape.at(-1) as number];
  const [high, low] = [wanted.shape.at(-2) as number, found.shape.at(-2) as number];
  let [difference, scale] = [0, 0];
  for (let i = 0; i < found.data.length; i++) {
    const [row, column] = [Math.floor(i / to), i % to];
    const [map, y] = [Math.floor(row / low), row % low];
    const value = Number(wanted.data[(map * high + y) * from + column]);
    scale = larger(scale, Math.abs(value));
    difference = larger(difference, Math.abs(value - Number(found.data[i])));
  }
  return scale === 0 ? difference : difference / scale;
}
