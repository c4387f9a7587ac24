/** @file Maps of whole numbers as PNG files that keep every value. */

import { encode } from "fast-png";
import type { Size } from "../core/image.js";

/** Greyscale of 8 or 16 bits, by the array's type; row-major values. */
export function encodeGreyPng(data: Uint8Array | Uint16Array, { width, height }: Size): Uint8Array {
  return encode({ width, height, data, channels: 1, depth: data instanceof Uint16Array ? 16 : 8 });
}

/** COCO's panoptic form: RGB with id = R + 256 G + 65536 B, ids below 2^24. */
export function encodeIdPng(ids: Uint32Array, { width, height }: Size): Uint8Array {
  const data = new Uint8Array(3 * ids.length);
  for (let i = 0; i < ids.length; i++) {
    data[3 * i] = ids[i];
    data[3 * i + 1] = ids[i] >> 8;
    data[3 * i + 2] = ids[i] >> 16;
  }
  return encode({ width, height, data, channels: 3, depth: 8 });
}
