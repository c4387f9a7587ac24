/**
 * @file Images with segments that cover them, as panoptic data have: each pixel belongs to the nearest of some centres.
 */

import { RandomStream } from "../src/core/random.js";

/** Least and most segments of a scene: what panoptic COCO images have. */
const SEGMENTS = { least: 10, most: 20 };
/** Standard deviation of the pixels of a segment around its colour. */
const TEXTURE = 0.3;

export interface Scene {
  /** [3, size, size], each channel about N(0, 1). */
  readonly pixels: Float32Array;
  /** Label of each segment. */
  readonly labels: readonly number[];
  /** Index of the segment of each pixel, row-major. */
  readonly owner: Uint8Array;
}

/** The scene of one sample of a step; `size` is its side. */
export function drawScene(key: { step: number; sample: number }, size: number, classes: number): Scene {
  const random = new RandomStream({ seed: 0, purpose: "bench scene", ...key });
  const count = SEGMENTS.least + random.integer(SEGMENTS.most - SEGMENTS.least + 1);
  const segments = Array.from({ length: count }, () => ({
    x: random.uniform(0, size),
    y: random.uniform(0, size),
    label: random.integer(classes),
    colour: [random.normal(), random.normal(), random.normal()],
  }));
  const area = size * size;
  const owner = new Uint8Array(area);
  const pixels = new Float32Array(3 * area);
  for (let at = 0; at < area; at++) {
    const [px, py] = [at % size, Math.floor(at / size)];
    let nearest = Number.POSITIVE_INFINITY;
    segments.forEach(({ x, y }, i) => {
      const distance = (x - px) ** 2 + (y - py) ** 2;
      if (distance < nearest) [nearest, owner[at]] = [distance, i];
    });
    segments[owner[at]].colour.forEach((value, channel) => {
      pixels[channel * area + at] = value + TEXTURE * random.normal();
    });
  }
  return { pixels, labels: segments.map(({ label }) => label), owner };
}
