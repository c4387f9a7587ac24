/** @file Batches of normalised images by step, decoded ahead of their use. */
import { RandomStream } from "../core/random.js";
import { randomResizedCrop, renderView, type ViewRule } from "./augment.js";
import { imageMemory } from "./batch-memory.js";
import { type BatchRecord, createBatches, type Loader as LoaderOf } from "./batches.js";
import type { ImageSource } from "./source.js";

export interface Batch extends BatchRecord {
  /** Normalised float32 [batch, 3, size, size] in memory that native threads may share. */
  readonly images: Float32Array;
}

export interface LoaderOptions {
  source: ImageSource;
  seed: number;
  /** Images a batch. */
  batch: number;
  /** Side of the square images, in pixels. */
  size: number;
  /** Batches to decode ahead, default 1. Memory: (prefetch + 1) * batch * 12 * size^2 bytes, and the one in use. */
  prefetch?: number;
  /** What of each image is seen: default a random resized crop (area 0.35 to 1) and a flip. */
  view?: ViewRule;
}

export type Loader = LoaderOf<Batch>;

/** A loader over any source of images; `createBatches` says what becomes of bad ones. */
export function createLoader(options: LoaderOptions): Loader {
  const { source, seed, batch, size, prefetch = 1, view: rule = randomResizedCrop() } = options;
  const pixels = 3 * size * size;
  const memory = imageMemory(batch * pixels);
  return createBatches({
    source,
    seed,
    batch,
    prefetch,
    dispose: memory.clear,
    assemble(step) {
      const images = memory.take();
      return {
        content: { images },
        release: () => memory.give(images),
        async fill(slot, index) {
          const random = new RandomStream({ seed, purpose: "crop", step, sample: slot });
          const out = images.subarray(slot * pixels, (slot + 1) * pixels);
          await renderView(source, index, { size, rule, random }, out);
        },
      };
    },
  });
}
