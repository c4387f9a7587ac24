/** @file Data sets of a few small files in a temporary directory. */

import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import sharp from "sharp";
import { stringify } from "yaml";
import type { LabelledSource } from "../../src/data/labelled-source.js";
import { shapeMask } from "../../src/masks/polygons.js";
import { decodeMask } from "../../src/masks/run-lengths.js";
import { IGNORED, type InstanceSet } from "../../src/masks/segmentation.js";

/** Rows of numbers: `[[0, 0, 1], [0, 2, 1]]`. */
export type Grid = readonly (readonly number[])[];

function write(path: string, content: string | Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}

/** A folder that test data is written to by relative paths. */
export function dataFolder(root: string) {
  return {
    root,
    at: (path: string) => join(root, path),
    text: (path: string, text: string) => write(join(root, path), text),
    json: (path: string, value: unknown) => write(join(root, path), JSON.stringify(value)),
    yaml: (path: string, value: unknown) => write(join(root, path), stringify(value)),
    /** A photograph of one colour; its red tells it from others. */
    async photo(path: string, width: number, height: number, { red = 0, orientation = 1 } = {}) {
      const image = sharp({ create: { width, height, channels: 3, background: { r: red, g: 90, b: 60 } } });
      const bytes = path.endsWith(".png") ? image.png() : image.withMetadata({ orientation }).jpeg();
      write(join(root, path), await bytes.toBuffer());
    },
    /** A greyscale PNG of these numbers; over 255 it has 16 bits. */
    labels(path: string, grid: Grid) {
      const values = grid.flat();
      const [width, height] = [grid[0].length, grid.length];
      const wide = values.some((value) => value > 255);
      const data = wide ? Uint16Array.from(values) : Uint8Array.from(values);
      write(join(root, path), encode({ width, height, data, channels: 1, depth: wide ? 16 : 8 }));
    },
    /** A PNG in colours: a number's bytes are red, green and blue. */
    colours(path: string, grid: Grid) {
      const data = Uint8Array.from(grid.flat().flatMap((id) => [id & 255, (id >> 8) & 255, id >> 16]));
      write(join(root, path), encode({ width: grid[0].length, height: grid.length, data, channels: 3, depth: 8 }));
    },
  };
}

export type DataFolder = ReturnType<typeof dataFolder>;

const rows = <T>(values: ArrayLike<T>, width: number) =>
  Array.from({ length: values.length / width }, (_, y) =>
    Array.from({ length: width }, (_, x) => values[y * width + x]),
  );

/** A semantic map as rows; ignored pixels are -1. */
export async function semanticRows(source: LabelledSource, index = 0): Promise<number[][]> {
  const { labels, width } = await source.semantic(index);
  return rows(labels, width).map((row) => row.map((label) => (label === IGNORED ? -1 : label)));
}

export async function panopticRows(source: LabelledSource, index = 0): Promise<number[][]> {
  const { ids, width } = await source.panoptic(index);
  return rows(ids, width);
}

/** Each instance with its mask as rows of "." and "#". */
export function drawn({ instances, width, height }: InstanceSet) {
  return instances.map(({ shape, ...instance }) => {
    const mask = decodeMask(shapeMask(shape, width, height));
    return { ...instance, mask: rows(mask, width).map((row) => row.map((value) => (value ? "#" : ".")).join("")) };
  });
}
