/** @file RGB pictures: resizing, composing, and writing as PNG. */

import { encode } from "fast-png";
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

/** Enlarges or shrinks by repeating or dropping pixels: for label maps and grids whose cells should stay visible. */
export function resizeNearest(picture: Image, width: number, height: number): Image {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    const fromRow = Math.floor(((y + 0.5) * picture.height) / height) * picture.width;
    for (let x = 0; x < width; x++) {
      const from = 3 * (fromRow + Math.floor(((x + 0.5) * picture.width) / width));
      data.set(picture.data.subarray(from, from + 3), 3 * (y * width + x));
    }
  }
  return { width, height, data };
}

/** Bilinear with half-pixel centres and no antialiasing, as `interpolate(align_corners=False)`: for enlarging. */
export function resizeBilinear(picture: Image, width: number, height: number): Image {
  const rows = taps(picture.height, height);
  const columns = taps(picture.width, width);
  const data = new Uint8Array(width * height * 3);
  let to = 0;
  for (const y of rows) {
    for (const x of columns) {
      for (let c = 0; c < 3; c++) {
        const at = (row: number, column: number) => picture.data[3 * (row * picture.width + column) + c];
        const top = at(y.low, x.low) * (1 - x.weight) + at(y.low, x.high) * x.weight;
        const bottom = at(y.high, x.low) * (1 - x.weight) + at(y.high, x.high) * x.weight;
        data[to++] = Math.round(top * (1 - y.weight) + bottom * y.weight);
      }
    }
  }
  return { width, height, data };
}

/** For each of `to` samples along a line of `from` pixels: the two pixels it lies between, and the second one's weight. */
function taps(from: number, to: number): { low: number; high: number; weight: number }[] {
  return Array.from({ length: to }, (_, i) => {
    const position = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    const low = Math.floor(position);
    return { low, high: Math.min(low + 1, from - 1), weight: position - low };
  });
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

export function encodePng({ width, height, data }: Image): Uint8Array {
  return encode({ width, height, data, channels: 3, depth: 8 });
}

/** The picture as a `data:` address, for pages that load nothing from elsewhere. */
export function dataUri(picture: Image): string {
  return `data:image/png;base64,${Buffer.from(encodePng(picture)).toString("base64")}`;
}
