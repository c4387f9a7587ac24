/** @file Images that a written file is tried on: photographs, or scenes, at sizes that it was not built from. */

import type { Image, Size } from "../../core/image.js";
import { resizeImage } from "../../core/resample.js";
import { imageInputs } from "../../data/files/image-inputs.js";
import { decodeImage } from "../../data/source.js";
import { renderScene } from "../../sample-data/render.js";

/** Images of one size, which a file takes at once. */
export type Trial = readonly Image[];

/** Side of the generated scenes, and how many there are. */
const SCENE = 48;
const SCENES = 2;
const SEED = 7;

/**
 * How many images of which size. A file that takes any size sees two, of which it pads one; both are padded to the same
 * size, for which this program compiles its own network once.
 */
const sizesOf = (fixed: Size | undefined): readonly { readonly size: Size; readonly count: number }[] =>
  fixed
    ? [{ size: fixed, count: 1 }]
    : [
        { size: { width: 160, height: 128 }, count: 2 },
        { size: { width: 156, height: 128 }, count: 1 },
      ];

/**
 * Trials of a file that takes one size, or any.
 * @param places photographs, by default generated scenes
 * @throws InputError for places without images, and for one that cannot be decoded
 */
export async function trialImages(places: readonly string[] | undefined, fixed?: Size): Promise<Trial[]> {
  const source = places && (await imageInputs(places));
  let next = 0;
  const image = () =>
    source ? decodeImage(source, next++ % source.length) : renderScene(SEED, next++ % SCENES, SCENE).image;
  const trials: Image[][] = [];
  for (const { size, count } of sizesOf(fixed)) {
    const images: Image[] = [];
    for (let i = 0; i < count; i++) images.push(resizeImage(await image(), size));
    trials.push(images);
  }
  return trials;
}
