/** @file Images and their sizes, as whatever decodes, changes, segments or shows them sees them. */

/** In pixels. Shapes of tensors are arrays, height first; everything else is handed one of these. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Interleaved 8-bit sRGB: `height * width * 3` bytes, rows from the top. */
export interface Image extends Size {
  readonly data: Uint8Array;
}

/** A rectangle of pixels. */
export interface Region extends Size {
  readonly left: number;
  readonly top: number;
}

/** An image as a file holds it. */
export interface EncodedImage extends Size {
  readonly mediaType: "image/jpeg" | "image/png";
  readonly bytes: Uint8Array;
}

/** Features of one image on a grid, row-major [channels, height, width]. */
export interface FeatureMap extends Size {
  readonly data: Float32Array;
  readonly channels: number;
}

/** A colour, 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** What pixels hold. */
export type PixelValues = Uint8Array | Uint16Array | Uint32Array | Float32Array;

/** Zeros of the type of `values`; bytes for what is made of bytes in its own way, as what a decoder hands out. */
export function zerosLike<T extends PixelValues>(values: T, length: number): T {
  const types = [Uint16Array, Uint32Array, Float32Array];
  const Type = types.find((type) => values instanceof type) ?? Uint8Array;
  return new Type(length) as PixelValues as T;
}

/** The values of a region; a pixel has `channels` of them, interleaved. */
export function regionOf<T extends PixelValues>(
  values: T,
  from: Size,
  { left, top, width, height }: Region,
  channels = 1,
): T {
  const kept = zerosLike(values, channels * width * height);
  for (let row = 0; row < height; row++) {
    const start = channels * ((top + row) * from.width + left);
    kept.set(values.subarray(start, start + channels * width), channels * row * width);
  }
  return kept;
}
