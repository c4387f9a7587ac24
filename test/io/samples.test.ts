/** @file Samples of every depth become the same 8 bits, or are refused with what was found. */

import { encode } from "fast-png";
import sharp from "sharp";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { decode, sampleRange } from "../../src/io/image-file.js";
import { pngChunk, pngOf } from "../support/png-chunks.js";
import { type TiffParts, tiffOf } from "../support/tiff-file.js";

const [WIDTH, HEIGHT] = [16, 17]; // 272 pixels
const COUNT = WIDTH * HEIGHT;

/** Values that rise from 0 to `most`, one a pixel. */
const ramp = (most: number) => Array.from({ length: COUNT }, (_, i) => (most * i) / (COUNT - 1));
const repeated = (values: readonly number[], times: number) =>
  values.flatMap((value) => Array<number>(times).fill(value));
const tiff = (data: TiffParts["data"], others: Partial<TiffParts> = {}) => {
  return tiffOf({ width: WIDTH, height: HEIGHT, data, ...others });
};

/** A greyscale PNG of 16 bits, with what it says of its significant bits. */
function png16(values: readonly number[], significant?: number): Buffer {
  const rows = Buffer.alloc(HEIGHT * (1 + 2 * WIDTH));
  values.forEach((value, i) => {
    rows.writeUInt16BE(Math.round(value), Math.floor(i / WIDTH) * (1 + 2 * WIDTH) + 1 + 2 * (i % WIDTH));
  });
  const extra = significant === undefined ? [] : [pngChunk("sBIT", Uint8Array.of(significant))];
  return pngOf({ width: WIDTH, height: HEIGHT, depth: 16, rows, extra });
}

const WHITE = (value?: number) => ({ value, setting: "data.whiteLevel" });
const RAMP = ramp(255).map(Math.round);

/** All three channels are the ramp from 0 to 255, give or take the rounding of 8 bits. */
async function expectRamp(bytes: Uint8Array, value?: number) {
  const { data, width, height } = await decode(bytes, "a.tif", { white: WHITE(value) });
  expect([width, height, data.length]).toEqual([WIDTH, HEIGHT, 3 * COUNT]);
  const differences = Array.from(data, (byte, i) => Math.abs(byte - RAMP[Math.floor(i / 3)]));
  expect(Math.max(...differences)).toBeLessThanOrEqual(1);
}

async function refusal(bytes: Uint8Array, white = WHITE()): Promise<string> {
  const error = await decode(bytes, "a.tif", { white }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(InputError);
  return (error as InputError).message;
}

describe("a ramp from black to white, as", () => {
  it.each([
    ["8 bits", () => tiff(Uint8Array.from(RAMP))],
    ["16 bits", () => tiff(Uint16Array.from(ramp(65535)))],
    ["16 bits in colours", () => tiff(Uint16Array.from(repeated(ramp(65535), 3)), { samples: 3 })],
    ["a PNG of 16 bits", () => png16(ramp(65535))],
    ["12 in 16 bits, as a TIFF says", () => tiff(Uint16Array.from(ramp(4095)), { tags: [[341, 3, [4095]]] })],
    ["10 in 16 bits, as a PNG says", () => png16(ramp(1023), 10)],
    [
      "12 bits scaled to 16, as a PNG should be",
      () =>
        png16(
          ramp(4095).map((v) => Math.round(v) * 16),
          12,
        ),
    ],
    ["floating point from 0 to 1", () => tiff(Float32Array.from(ramp(1)))],
    ["floating point in colours", () => tiff(Float32Array.from(repeated(ramp(1), 3)), { samples: 3 })],
    [
      "floating point with levels",
      () =>
        tiff(
          Float32Array.from(ramp(2000), (v) => v - 1000),
          {
            tags: [
              [340, 11, [-1000]],
              [341, 11, [1000]],
            ],
          },
        ),
    ],
    ["32 bits with a level", () => tiff(Uint32Array.from(ramp(1e6)), { tags: [[341, 4, [1_000_000]]] })],
    [
      "16 bits, white being 0",
      () =>
        tiff(
          Uint16Array.from(ramp(65535), (v) => 65535 - v),
          { photometric: 0 },
        ),
    ],
  ])("%s", async (_, make) => expectRamp(make()));

  it.each([
    ["12 in 16 bits", 4095, () => tiff(Uint16Array.from(ramp(4095)))],
    ["12 in 16 bits in colours", 4095, () => tiff(Uint16Array.from(repeated(ramp(4095), 3)), { samples: 3 })],
    ["12 in 16 bits of a PNG", 4095, () => png16(ramp(4095))],
    ["floating point", 1e4, () => tiff(Float32Array.from(ramp(1e4)))],
    ["32 bits", 1e6, () => tiff(Uint32Array.from(ramp(1e6)))],
    ["signed 16 bits", 4095, () => tiff(Int16Array.from(ramp(4095)))],
    ["signed 16 bits in colours", 4095, () => tiff(Int16Array.from(repeated(ramp(4095), 3)), { samples: 3 })],
    ["8 bits, which a level does not touch", 4095, () => tiff(Uint8Array.from(RAMP))],
  ])("%s by a setting", async (_, level, make) => expectRamp(make(), level));

  it.each([1, 2, 4])("%i bits, in TIFF and PNG", async (bits) => {
    const per = 8 / bits;
    const values = Array.from({ length: 16 }, (_, i) => i % 2 ** bits);
    const packed = Uint8Array.from({ length: 16 / per }, (_, i) =>
      values.slice(i * per, (i + 1) * per).reduce((byte, value) => (byte << bits) | value, 0),
    );
    const expected = values.map((value) => Math.round((255 * value) / (2 ** bits - 1)));
    const asTiff = tiffOf({ width: 16, height: 1, data: packed, bits });
    const asPng = encode({ width: 16, height: 1, data: packed, channels: 1, depth: bits as 1 | 2 | 4 });
    for (const bytes of [asTiff, asPng]) {
      const { data } = await decode(bytes, "a");
      expect(Array.from(data).filter((_, i) => i % 3 === 1)).toEqual(expected);
    }
  });

  it.each([10, 12] as const)("AVIF of %i bits", async (bitdepth) => {
    const grey = sharp(Buffer.from(repeated(RAMP, 3)), { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
    const bytes = await grey.avif({ lossless: true, bitdepth }).toBuffer();
    expect((await sharp(bytes).metadata()).bitsPerSample).toBe(bitdepth);
    await expectRamp(bytes);
  });
});

it("a region and a size of deep samples are those of the upright image", async () => {
  const bytes = tiff(Uint16Array.from(ramp(4095)), { tags: [[274, 3, [3]]] }); // turned by 180 degrees
  const region = { left: 0, top: 0, width: WIDTH, height: 1 };
  const { data } = await decode(bytes, "a.tif", { region, white: WHITE(4095) });
  expect(Math.abs(data[0] - 255)).toBeLessThanOrEqual(1);
  expect((await decode(bytes, "a.tif", { size: 8, white: WHITE(4095) })).data).toHaveLength(3 * 64);
});

it("transparency of deep samples shows the ImageNet mean", async () => {
  const data = Uint16Array.from(ramp(4095).flatMap((v, i) => [v, v, v, i < WIDTH ? 0 : 4095]));
  const bytes = tiff(data, { samples: 4, tags: [[338, 3, [2]]] });
  const pixels = (await decode(bytes, "a.tif", { white: WHITE(4095) })).data;
  expect(Array.from(pixels.subarray(0, 3))).toEqual([124, 116, 104]);
  expect(Array.from(pixels.subarray(-3))).toEqual([255, 255, 255]);
});

describe("samples that are refused, with what was found", () => {
  it.each([
    [
      "floating point beyond 0 to 1",
      () => tiff(Float32Array.from(ramp(300))),
      /floating-point samples from 0 to 300, and nothing/,
    ],
    [
      "floating point below 0",
      () => tiff(Float32Array.from(ramp(1), (v) => v - 0.5)),
      /samples from -0\.5 to 0\.5, and nothing/,
    ],
    ["a NaN", () => tiff(Float32Array.from(ramp(1), (v, i) => (i === 77 ? Number.NaN : v))), /no finite numbers/],
    ["an infinity", () => tiff(Float32Array.from(ramp(1), (v, i) => (i === 77 ? 1 / 0 : v))), /no finite numbers/],
    ["32 bits", () => tiff(Uint32Array.from(ramp(1e6))), /32-bit samples from 0 to 1000000, and nothing/],
    ["signed 16 bits", () => tiff(Int16Array.from(ramp(4095))), /signed 16-bit samples from 0 to 4095, and nothing/],
    ["signed 8 bits", () => tiff(Int8Array.from(ramp(127))), /signed 8-bit samples/],
  ])("%s", async (_, make, message) => {
    expect(await refusal(make())).toMatch(message);
    if (!String(message).includes("finite"))
      expect(await refusal(make())).toContain(
        "(set data.whiteLevel). Set data.whiteLevel to the sample that is white, or save it",
      );
  });

  it.each([
    [
      "complex numbers",
      () => tiff(Float32Array.from(repeated(ramp(1), 2)), { bits: 64, format: 6 }),
      /samples out of range/,
    ],
    ["half precision", () => tiff(Uint16Array.from(ramp(15360)), { format: 3 }), /16-bit float samples/],
    [
      "12 bits packed",
      () => tiff(Uint8Array.from(repeated(RAMP, 2)).subarray(0, COUNT * 1.5), { bits: 12 }),
      /whole number of bytes/,
    ],
    [
      "a fourth colour",
      () => tiff(Uint8Array.from(repeated(RAMP, 4)), { samples: 4, tags: [[338, 3, [0]]] }),
      /4 samples a pixel, of which 1 is neither/,
    ],
    [
      "five channels",
      () => tiff(Uint8Array.from(repeated(RAMP, 5)), { samples: 5 }),
      /5 samples a pixel, of which 2 are neither/,
    ],
  ])("%s", async (_, make, message) => {
    expect(await refusal(make())).toMatch(message);
  });

  it.each([1, 3])("signed 16 bits below 0, in %i channels", async (samples) => {
    const bytes = tiff(
      Int16Array.from(repeated(ramp(4000), samples), (v) => v - 1000),
      { samples },
    );
    expect(await refusal(bytes, WHITE(3000))).toMatch(/signed 16-bit samples from -1000 to 3000: those below 0 would/);
  });

  it("a level far from the samples", async () => {
    const hounsfield = tiff(Int32Array.from(ramp(4000), (v) => v - 1000));
    expect(await refusal(hounsfield, WHITE(3000))).toMatch(/samples from -1000 to 3000, far below black \(0\)/);
  });
});

it("the range of samples is that of the file", async () => {
  expect(await sampleRange(png16(ramp(4095)), "a")).toEqual({ least: 0, most: 4095 });
  expect(await sampleRange(tiff(Float32Array.from(ramp(2), (v) => v - 1)), "a")).toEqual({ least: -1, most: 1 });
});
