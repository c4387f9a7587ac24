/** @file Where images come from: anything that hands out the bytes of its i-th image. */

import type { Image } from "../core/image.js";
import type { DecodeOptions, ImageDecoder, WhiteLevel } from "../core/image-decoder.js";

/** A file that was passed over, and why. */
export interface BadFile {
  readonly file: string;
  readonly reason: string;
}

/** A fixed, ordered collection of encoded images: a folder, tar shards, a bucket. */
export interface ImageSource {
  readonly length: number;
  /** What a report calls the image; unique within the source. */
  name(index: number): string;
  /**
   * The encoded bytes of an image.
   * @throws InputError when this image cannot be had: the loader puts another in its place. Any other error ends the
   * run.
   */
  read(index: number): Promise<Uint8Array>;
  /** What makes images of those bytes. */
  readonly decoder: ImageDecoder;
  /** What is white in those of its images that have more than 8 bits a sample. */
  readonly white?: WhiteLevel;
}

/**
 * An image of a source as the network and everybody else sees it.
 * @throws InputError when it cannot be had or decoded
 */
export async function decodeImage(
  source: ImageSource,
  index: number,
  part: Omit<DecodeOptions, "white"> = {},
): Promise<Image> {
  return source.decoder.decode(await source.read(index), source.name(index), { ...part, white: source.white });
}

/** Some images of a source, in the given order. */
export function subsetOf(source: ImageSource, indices: readonly number[]): ImageSource {
  return {
    decoder: source.decoder,
    white: source.white,
    length: indices.length,
    name: (index) => source.name(indices[index]),
    read: (index) => source.read(indices[index]),
  };
}
