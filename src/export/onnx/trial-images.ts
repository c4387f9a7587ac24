/** @file Images that a written file is tried on: photographs, or scenes, at sizes that it was not built from. */

import type { Image, Size } from "../../core/image.js";
import { resizeImage } from "../../core/resample.js";
import { imageInputs } from "../../data/files/image-inputs.js";
import { decodeImage } from "../../data/source.js";
import { renderScene } from "../../sample-data/render.js";

/** Images of one size, which a file takes at once. */
export type Trial = readonly Image[];

/** Side of the generated scene, whose mirror image is another. */
const SCENE = 16;
const SEED = 7;

function scenes(): readonly Image[] {
  const { image } = renderScene(SEED, 0, SCENE);
  const { width } = image;
  const mirrored = image.data.map((_, i) => {
    const [pixel, colour] = [Math.floor(i / 3), i % 3];
    const x = pixel % width;
    return image.data[3 * (pixel - x + width - 1 - x) + colour];
  });
  return [image, { ...image, data: mirrored }];
}

/**
 * How many images of which size. A file that takes any size was not built from these, sees two images at once, and pads
 * one. All have one shorter side and are padded to one size, for which this program compiles its own network once.
 */
const sizesOf = (fixed: Size | undefined): readonly { readonly size: Size; readonly count: number }[] =>
  fixed
    ? [{ size: fixed, count: 1 }]
    : [
        { size: { width: 64, height: 96 }, count: 2 },
        { size: { width: 64, height: 91 }, count: 1 },
      ];

/**
 * Trials of a file that takes one size, or any.
 * @param places photographs, by default generated scenes
 * @throws InputError for places without images, and for one that cannot be decoded
 */
export async function trialImages(places: readonly string[] | undefined, fixed?: Size): Promise<Trial[]> {
  const source = places && (await imageInputs(places));
  const drawn = source ? [] : scenes();
  let next = 0;
  const image = () => (source ? decodeImage(source, next++ % source.length) : drawn[next++ % drawn.length]);
  const trials: Image[][] = [];
  for (const { size, count } of sizesOf(fixed)) {
    const images: Image[] = [];
    for (let i = 0; i < count; i++) images.push(resizeImage(await image(), size));
    trials.push(images);
  }
  return trials;
}
