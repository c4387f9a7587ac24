/** @file RGB pictures out of planes, and beside each other. */

import { ShapeError } from "../core/errors.js";
import type { Image, Rgb } from "../core/image.js";

/** A picture from planes [3, height, width] of values in 0..1; values outside saturate. */
export function fromPlanes(planes: Float32Array, width: number, height: number): Image {
  const area = width * height;
  if (planes.length !== 3 * area) {
    throw new ShapeError("fromPlanes", `3 x ${height} x ${width} values`, `${planes.length}`);
  }
  const data = new Uint8Array(planes.length);
  for (let c = 0; c < 3; c++) {
    for (let p = 0; p < area; p++) data[3 * p + c] = Math.round(255 * Math.min(1, Math.max(0, planes[c * area + p])));
  }
  return { width, height, data };
}

/** Pictures of one height side by side, `gutter` pixels of `background` between them. */
export function strip(pictures: readonly Image[], gutter = 4, background: Rgb = [255, 255, 255]): Image {
  const height = pictures[0]?.height ?? 0;
  const odd = pictures.find((picture) => picture.height !== height);
  if (odd) throw new ShapeError("strip", `pictures of height ${height}`, `${odd.height}`);
  const width = pictures.reduce((sum, picture) => sum + picture.width, gutter * Math.max(0, pictures.length - 1));
  const data = Uint8Array.from({ length: width * height * 3 }, (_, i) => background[i % 3]);
  let left = 0;
  for (const picture of pictures) {
    for (let y = 0; y < height; y++) {
      data.set(picture.data.subarray(3 * y * picture.width, 3 * (y + 1) * picture.width), 3 * (y * width + left));
    }
    left += picture.width + gutter;
  }
  return { width, height, data };
}
