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
