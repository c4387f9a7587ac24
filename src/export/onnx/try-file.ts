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

/** Classes of pixels, row-major, of instances that of the best score; IGNORED where there is none. */
export type Labels = ArrayLike<number>;

/** The labels of one image in one form. */
export interface LabelMaps {
  readonly wanted: Labels;
  readonly found: Labels;
}

export interface Expectation {
  /** What the network gives for an image; of maps the part that the file gives is compared. */
  outputs(image: Image): Promise<Answer>;
  /** The labels that pixels should get and do get, in each form; absent where nothing is labelled. */
  labels?(image: Image, answer: Answer): Promise<readonly LabelMaps[]>;
}

export interface Comparison {
  /** The largest difference of any output, as a share of the largest value of that output. */
  readonly difference: number;
  /** Share of an output's values that are off by more than `SLIGHT` of its largest value, of the worst output. */
  readonly offShare: number;
  /** Share of pixels with the same label; undefined where nothing is labelled. */
  readonly equalPixels?: number;
}

/** More than rounding makes of a value: 2e-6 of the largest one, of the models that were measured. */
export const SLIGHT = 1e-4;

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
  let [difference, offShare] = [0, 0];
  const pixels = { equal: 0, all: 0 };
  for (const images of trials) {
    const outputs = await session.run({ [PIXELS]: normalised ? bytesOf(images) : planesOf(images) });
    for (const [i, image] of images.entries()) {
      const answer = new Map(Object.entries(outputs).map(([name, values]) => [name, ofImage(values, i)]));
      for (const [name, wanted] of await expected.outputs(image)) {
        const off = differenceOf(wanted, answer.get(name) as Values);
        difference = Math.max(difference, off.difference);
        offShare = Math.max(offShare, off.offShare);
      }
      for (const { wanted, found } of (await expected.labels?.(image, answer)) ?? []) {
        for (let i = 0; i < wanted.length; i++) pixels.equal += Number(wanted[i] === found[i]);
        pixels.all += wanted.length;
      }
    }
  }
  return { difference, offShare, ...(pixels.all > 0 && { equalPixels: pixels.equal / pixels.all }) };
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

/** Over the upper left part that both have. */
function differenceOf(wanted: Values, found: Values): Pick<Comparison, "difference" | "offShare"> {
  const [from, to] = [wanted.shape.at(-1) as number, found.shape.at(-1) as number];
  const [high, low] = [wanted.shape.at(-2) as number, found.shape.at(-2) as number];
  const { length } = found.data;
  const differences = new Float64Array(length);
  let scale = 0;
  for (let i = 0; i < length; i++) {
    const [row, column] = [Math.floor(i / to), i % to];
    const [map, y] = [Math.floor(row / low), row % low];
    const value = Number(wanted.data[(map * high + y) * from + column]);
    scale = Math.max(scale, Math.abs(value));
    differences[i] = Math.abs(value - Number(found.data[i]));
  }
  const slight = SLIGHT * (scale || 1);
  return {
    difference: differences.reduce((most, off) => Math.max(most, off), 0) / (scale || 1),
    offShare: differences.reduce((count, off) => count + Number(!(off <= slight)), 0) / length,
  };
}
