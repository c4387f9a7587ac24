/** @file The pictures on the disk: a strip for each image, and the first of them on the page. */

import { join } from "node:path";
import type { Image } from "../core/image.js";
import { writeFileAtomic } from "../io/atomic-file.js";
import { asPng, encodePng } from "../io/image-file.js";
import { stripOf } from "../viz/feature-cells.js";
import { encodedRow, type GalleryRow } from "../viz/report.js";

/** Images that the page shows; the strips of the others lie beside it. */
const SHOWN = 48;

/** Masked prediction; mean squared errors over masked positions and channels. */
export interface PredictionQuality {
  /** Of the prediction, mean over the images. */
  error?: number;
  /** 1 - error / error of predicting the mean feature */
  explainedVariance?: number;
}

export interface PicturedImage extends PredictionQuality {
  file: string;
  /** Name of its strip in the folder. */
  picture: string;
}

/** A drawn image. */
export interface Drawn extends PredictionQuality {
  readonly file: string;
  /** Its own in the folder, without number and suffix. */
  readonly stem: string;
  readonly row: GalleryRow<Image>;
}

/** Pictures in a folder that is there. */
export class Gallery {
  private readonly pictured = new Map<number, PicturedImage>();
  private readonly shown = new Map<number, GalleryRow>();

  constructor(private readonly out: string) {}

  /**
   * Writes the strip of an image; `place` is its place among all, from 0. Nothing bulky is kept but what the page
   * shows.
   */
  async add(place: number, { file, stem, row, error, explainedVariance }: Drawn): Promise<void> {
    const picture = `${String(place + 1).padStart(3, "0")}-${stem}.png`;
    await writeFileAtomic(join(this.out, picture), await encodePng(stripOf(row)));
    this.pictured.set(place, {
      file,
      picture,
      ...(error !== undefined && { error }),
      ...(explainedVariance !== undefined && { explainedVariance }),
    });
    if (place < SHOWN) this.shown.set(place, await encodedRow(row, asPng));
  }

  get images(): PicturedImage[] {
    return inOrder(this.pictured);
  }

  get rows(): GalleryRow[] {
    return inOrder(this.shown);
  }
}

function inOrder<T>(byPlace: ReadonlyMap<number, T>): T[] {
  return [...byPlace].sort(([a], [b]) => a - b).map(([, value]) => value);
}
