/** @file Damaged images and label maps: read, or refused with an error that names the file; never anything else. */

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import sharp from "sharp";
import { expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { RandomStream } from "../../src/core/random.js";
import { readColourMap, readLabelMap, readTwoChannels } from "../../src/data/datasets/label-map.js";
import { decode } from "../../src/io/image-file.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { tiffOf } from "../support/tiff-file.js";

const [WIDTH, HEIGHT] = [40, 33];
const COUNT = WIDTH * HEIGHT;
const NOISE = Uint8Array.from({ length: 3 * COUNT }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255);
const size = { width: WIDTH, height: HEIGHT };
const picture = () => sharp(NOISE, { raw: { ...size, channels: 3 } });

const IMAGES: Readonly<Record<string, () => Promise<Uint8Array>>> = {
  JPEG: () => picture().jpeg().toBuffer(),
  "progressive JPEG, turned": () => picture().withMetadata({ orientation: 6 }).jpeg({ progressive: true }).toBuffer(),
  PNG: () => picture().png().toBuffer(),
  "interlaced PNG of 16 bits": () => picture().toColourspace("rgb16").png({ progressive: true }).toBuffer(),
  WebP: () => picture().webp().toBuffer(),
  TIFF: () => picture().tiff({ compression: "lzw" }).toBuffer(),
  "BigTIFF of tiles": () => picture().tiff({ compression: "jpeg", tile: true, bigtiff: true }).toBuffer(),
  "floating-point TIFF": async () =>
    tiffOf({ ...size, data: Float32Array.from(NOISE.subarray(0, COUNT), (v) => v / 255) }),
  GIF: () => picture().gif().toBuffer(),
  AVIF: () => picture().avif({ effort: 0 }).toBuffer(),
};

const map = (data: Uint8Array | Uint16Array, channels: 1 | 3) =>
  encode({ ...size, data, channels, depth: data instanceof Uint16Array ? 16 : 8 });
const LABELS: Readonly<Record<string, Uint8Array>> = {
  greyscale: map(NOISE.subarray(0, COUNT), 1),
  "16 bits": map(
    Uint16Array.from({ length: COUNT }, (_, i) => i),
    1,
  ),
  colours: map(NOISE, 3),
};

/** Numbers at which counts and lengths go wrong. */
const EDGES = [0, 1, 100, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff];

/** A copy with one to three faults: cut, a flipped bit, bytes taken out, put in or repeated, an extreme number. */
function mutated(bytes: Uint8Array, random: RandomStream): Buffer {
  let out: Buffer = Buffer.from(bytes);
  for (let faults = 1 + random.integer(3); faults > 0 && out.length > 8; faults--) {
    const at = random.integer(out.length - 4);
    const head = random.integer(Math.min(out.length - 4, 300));
    const [before, after] = [out.subarray(0, at), out.subarray(at)];
    const kinds: (() => Buffer | undefined)[] = [
      () => Buffer.from(before),
      () => Buffer.concat([before, after.subarray(random.integer(40))]),
      () => Buffer.concat([before, Buffer.alloc(random.integer(40), random.integer(256)), after]),
      () => Buffer.concat([before, out.subarray(head, head + random.integer(200)), after]),
      () => void out.writeUInt8(out[at] ^ (1 << random.integer(8)), at),
      () => void out.writeUInt32BE(EDGES[random.integer(EDGES.length)], head),
      () => void out.writeUInt32LE(EDGES[random.integer(EDGES.length)], head),
    ];
    out = kinds[random.integer(kinds.length)]() ?? out;
  }
  return out;
}

/** How many of the mutations are read; each of the others must be refused by name. */
async function readable(bytes: Uint8Array, count: number, name: string, read: (bytes: Buffer) => Promise<unknown>) {
  let succeeded = 0;
  for (let sample = 0; sample < count; sample++) {
    const damaged = mutated(bytes, new RandomStream({ seed: 5, purpose: "mutations", sample }));
    try {
      await read(damaged);
      succeeded++;
    } catch (error) {
      if (!(error instanceof InputError)) throw new Error(`mutation ${sample}: ${error}`, { cause: error });
      expect(error.message).toContain(name);
    }
  }
  return succeeded;
}

it.each(Object.entries(IMAGES))("%s", async (_, make) => {
  const bytes = await make();
  await decode(bytes, "whole");
  const white = { value: 1, setting: "a setting" };
  expect(await readable(bytes, 40, "a.jpg", (damaged) => decode(damaged, "a.jpg", { white }))).toBeLessThan(40);
});

it.each(Object.entries(LABELS))("a label map, %s", async (_, bytes) => {
  const file = join(temporaryDirectory(), "a.png");
  const found = await readable(bytes, 60, "a.png", async (damaged) => {
    writeFileSync(file, damaged);
    for (const read of [readLabelMap, readColourMap, readTwoChannels]) await read(file, { ...size, of: "the image" });
  });
  expect(found).toBeLessThan(60);
});
