/** @file The memory of batches, handed from one batch to the next instead of being allocated and cleared anew. */

import { sharedMemory } from "../core/tensor-data.js";

export interface ImageMemory {
  /** Float32 of one size, in memory that native threads may share; it holds whatever it held last. */
  take(): Float32Array;
  give(images: Float32Array): void;
  clear(): void;
}

export function imageMemory(length: number): ImageMemory {
  const free: Float32Array[] = [];
  return {
    take: () => free.pop() ?? new Float32Array(sharedMemory(4 * length)),
    give: (images) => free.push(images),
    clear: () => {
      free.length = 0;
    },
  };
}

export interface MaskMemory {
  /** `count` masks one after another, all zero: a view of memory that may be larger. */
  take(count: number): Uint8Array;
  /** Takes back what `take` gave. */
  give(masks: Uint8Array): void;
  clear(): void;
}

/**
 * Memory for masks of `pixels` bytes each, as many as an image needs. Sizes are rounded up to a power of two of masks,
 * so that what is freed fits later images; where nothing free is large enough, the smallest free piece is dropped, so
 * that the memory at rest stays near what the batches in flight need.
 */
export function maskMemory(pixels: number): MaskMemory {
  const free: ArrayBuffer[] = []; // by size, smallest first
  return {
    take(count) {
      const bytes = count * pixels;
      const fitting = free.findIndex((buffer) => buffer.byteLength >= bytes);
      if (fitting >= 0) {
        const [buffer] = free.splice(fitting, 1);
        return new Uint8Array(buffer, 0, bytes).fill(0);
      }
      free.shift();
      return new Uint8Array(new ArrayBuffer(pixels * 2 ** Math.ceil(Math.log2(Math.max(1, count)))), 0, bytes);
    },
    give({ buffer }) {
      const larger = free.findIndex(({ byteLength }) => byteLength > buffer.byteLength);
      free.splice(larger < 0 ? free.length : larger, 0, buffer as ArrayBuffer);
    },
    clear: () => {
      free.length = 0;
    },
  };
}
