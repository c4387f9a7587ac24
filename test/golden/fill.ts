/** @file Tensors that every implementation can make again from their names, so that fixtures hold results only. */

import { type Shape, sizeOf, type TensorData, zeros } from "../../src/core/tensor-data.js";

/** FNV-1a of the UTF-8 bytes of a text, 32 bit. */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** base + amplitude u_i, where u_i in [-1, 1) is murmur3's finaliser of fnv1a(name) + i * 0x9e3779b9. */
export function fill(name: string, shape: Shape, base: number, amplitude: number): TensorData<"float32"> {
  const tensor = zeros("float32", shape);
  const { data } = tensor;
  const seed = fnv1a(name);
  const size = sizeOf(shape);
  for (let i = 0; i < size; i++) {
    let x = (seed + Math.imul(i, 0x9e3779b9)) | 0;
    x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
    x ^= x >>> 16;
    data[i] = base + amplitude * ((2 * (x >>> 0)) / 2 ** 32 - 1);
  }
  return tensor;
}
