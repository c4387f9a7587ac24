/** @file What decoding an image is, wherever it happens: in Node a library does it, in a browser the page. */

import type { Image, Region, Size } from "./image.js";

/** What is white in images of more than 8 bits a sample, and how a user says so. */
export interface WhiteLevel {
  /** Undefined: what the file says, or the whole range of its type. */
  readonly value?: number;
  /** How it is set, e.g. "data.whiteLevel": for messages. */
  readonly setting: string;
}

export interface DecodeOptions {
  /** Part of the upright image; default all. */
  readonly region?: Region;
  /** Side of the square to resize to, bilinearly and with antialiasing; default the size that it has. */
  readonly size?: number;
  readonly white?: WhiteLevel;
}

/** Makes pixels of the bytes of image files. Both throw InputError that names `name` for what is no image. */
export interface ImageDecoder {
  /** Size of the upright image, from the header alone. */
  size(bytes: Uint8Array, name: string): Promise<Size>;
  decode(bytes: Uint8Array, name: string, options?: DecodeOptions): Promise<Image>;
}
