/** @file Objects and random points as the golden cases of the criterion and of the whole model describe them. */

import type { PointDraws } from "../../src/finetune/criterion-options.js";
import type { Target } from "../../src/masks/segmentation.js";
import type { GoldenCase } from "./case.js";

type Primitive =
  | { rect: [y0: number, x0: number, y1: number, x1: number] }
  | { ellipse: [number, number, number, number] };

export interface Scene {
  height: number;
  width: number;
  images: { label: number; mask: Primitive[] }[][];
}

function contains(primitive: Primitive, y: number, x: number): boolean {
  if ("rect" in primitive) {
    const [y0, x0, y1, x1] = primitive.rect;
    return y >= y0 && y < y1 && x >= x0 && x < x1;
  }
  const [cy, cx, ry, rx] = primitive.ellipse;
  return (y - cy) ** 2 * rx ** 2 + (x - cx) ** 2 * ry ** 2 <= ry ** 2 * rx ** 2;
}

/** The objects of each image, their masks padded with zeros to `height` x `width`. */
export function targetsOf(scene: Scene, height = scene.height, width = scene.width): Target[][] {
  return scene.images.map((objects) =>
    objects.map(({ label, mask: primitives }) => {
      const mask = new Uint8Array(height * width);
      for (let y = 0; y < scene.height; y++) {
        for (let x = 0; x < scene.width; x++) {
          mask[y * width + x] = Number(primitives.some((primitive) => contains(primitive, y, x)));
        }
      }
      return { label, mask };
    }),
  );
}

/**
 * The points of a step of the official code, which asks, first for the last output and then for the others in order:
 * once an image for the matching, then for the candidates of all pairs, then for their uniform points. `call`: its
 * first request.
 */
export function drawsOf(golden: GoldenCase, outputs: number, pairs: readonly number[], call = 0): PointDraws {
  const requestOf = (output: number) => call + ((output + 1) % outputs) * (pairs.length + 2);
  const part = (values: Float32Array, image: number, pair: number, out: Float32Array) => {
    const row = pairs.slice(0, image).reduce((a, b) => a + b, 0) + pair;
    out.set(values.subarray(row * out.length, (row + 1) * out.length));
  };
  return {
    matching: (output, image, out) => out.set(golden.random(requestOf(output) + image)),
    candidates: (output, image, pair, out) =>
      part(golden.random(requestOf(output) + pairs.length), image, pair, out.subarray(0, out.length)),
    uniform: (output, image, pair, out) => part(golden.random(requestOf(output) + pairs.length + 1), image, pair, out),
  };
}
