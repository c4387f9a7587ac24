/** @file One sample scene: its photograph and its exact labels. */
import type { Image } from "../core/image.js";
import { develop } from "./develop.js";
import { drawScene } from "./layout.js";
import { createTracer, newSeen } from "./trace.js";

export interface RenderedScene {
  readonly image: Image;
  /**
   * Panoptic id of each pixel: 1000 * category id + number of the instance, which is 0 for stuff and 1 or more for
   * things.
   */
  readonly segments: Uint32Array;
}

/** Rays of a pixel, relative to its centre. The first, through the centre, decides the label. */
const OFFSETS = [
  [0, 0],
  [0.36, 0.14],
  [-0.3, 0.27],
  [-0.06, -0.38],
] as const;

/** Renders image `index` of the data set `seed`, `size` x `size` pixels. The scene does not depend on the size. */
export function renderScene(seed: number, index: number, size: number): RenderedScene {
  const scene = drawScene(seed, index);
  const { view, pitch } = scene.eye;
  const trace = createTracer(scene, (2 * view) / size);
  const light = new Float32Array(3 * size * size);
  const distance = new Float32Array(size * size);
  const segments = new Uint32Array(size * size);
  const [cos, sin] = [Math.cos(pitch), Math.sin(pitch)];
  const seen = newSeen();
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = y * size + x;
      for (let sample = 0; sample < OFFSETS.length; sample++) {
        const u = view * ((2 * (x + 0.5 + OFFSETS[sample][0])) / size - 1);
        const v = view * (1 - (2 * (y + 0.5 + OFFSETS[sample][1])) / size);
        const scale = 1 / Math.sqrt(u * u + v * v + 1);
        trace(u * scale, (v * cos - sin) * scale, (v * sin + cos) * scale, at * OFFSETS.length + sample, seen);
        light[3 * at] += seen.r / OFFSETS.length;
        light[3 * at + 1] += seen.g / OFFSETS.length;
        light[3 * at + 2] += seen.b / OFFSETS.length;
        if (sample > 0) continue;
        segments[at] = seen.segment;
        distance[at] = seen.distance;
      }
    }
  }
  return { image: develop({ light, distance, size }, { ...scene.lens, grain: scene.grain }), segments };
}
