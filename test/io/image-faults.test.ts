/** @file Every odd or damaged image that a folder of photographs may hold: read rightly, or refused with a reason. */
import { gzipSync } from "node:zlib";
import sharp, { type Sharp } from "sharp";
import { describe, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { decode, encodeGreyPng, encodeIdPng, encodeJpeg, encodePng, imageSize } from "../../src/io/image-file.js";
import { decodePng } from "../../src/io/png-file.js";
import { pngOf } from "../support/png-chunks.js";
import { tiffOf } from "../support/tiff-file.js";

const WIDTH = 40;
const HEIGHT = 24;

/** Left half (200, 40, 90), right half (20, 160, 220): a colour, an orientation and a size to recognise. */
function picture(): Sharp {
  const data = new Uint8Array(3 * WIDTH * HEIGHT);
  for (let i = 0; i < WIDTH * HEIGHT; i++) data.set(i % WIDTH < WIDTH / 2 ? [200, 40, 90] : [20, 160, 220], 3 * i);
  return sharp(data, { raw: { width: WIDTH, height: HEIGHT, channels: 3 } });
}

/** Noise does not compress, so that 60 % of the file is 60 % of the picture. */
function noisy(): Sharp {
  const data = Uint8Array.from({ length: 3 * 64 * 64 }, (_, i) => (Math.imul(i, 2654435761) >>> 13) & 255);
  return sharp(data, { raw: { width: 64, height: 64, channels: 3 } });
}

async function pixel(bytes: Uint8Array, x: number, y: number): Promise<number[]> {
  const { width, data } = await decode(bytes, "a");
  return Array.from(data.subarray(3 * (y * width + x), 3 * (y * width + x) + 3));
}

function expectNear(found: number[], expected: number[], tolerance: number) {
  expect(found).toHaveLength(expected.length);
  found.forEach((value, c) => {
    expect(Math.abs(value - expected[c]), `channel ${c} of ${found}`).toBeLessThanOrEqual(tolerance);
  });
}

/** A file of some hundred bytes whose header claims `side` x `side` pixels. */
const hugePng = (side: number) => pngOf({ width: side, height: side, colourType: 2, rows: Buffer.alloc(64) });

/** A copy that claims 60000 x 60000 pixels: two numbers of 16 bits, `offset` bytes behind a marker. */
function withSize(bytes: Buffer, marker: readonly number[], offset: number, little = false): Buffer {
  const at = bytes.indexOf(Buffer.from(marker)) + offset;
  for (const place of [at, at + 2]) {
    if (little) bytes.writeUInt16LE(60_000, place);
    else bytes.writeUInt16BE(60_000, place);
  }
  return bytes;
}

describe("images that are read", () => {
  it.each([
    ["png", () => picture().png()],
    ["palette png", () => picture().png({ palette: true })],
    ["16-bit png", () => picture().toColourspace("rgb16").png()],
    ["tiff", () => picture().tiff({ compression: "lzw" })],
    ["lossless webp", () => picture().webp({ lossless: true })],
    ["gif", () => picture().gif()],
    ["jpeg", () => picture().jpeg({ quality: 100, chromaSubsampling: "4:4:4" })],
    ["avif", () => picture().avif({ quality: 95, chromaSubsampling: "4:4:4" })],
    ["opaque alpha", () => picture().ensureAlpha(1).png()],
  ])("%s", async (_, make) => {
    const bytes = await make().toBuffer();
    expect(await imageSize(bytes, "a")).toEqual({ width: WIDTH, height: HEIGHT });
    expectNear(await pixel(bytes, 4, 4), [200, 40, 90], 6);
    expectNear(await pixel(bytes, WIDTH - 4, 4), [20, 160, 220], 6);
  });

  it("CMYK jpeg, its colours kept roughly", async () => {
    const bytes = await picture().toColourspace("cmyk").jpeg({ quality: 100 }).toBuffer();
    expect((await sharp(bytes).metadata()).space).toBe("cmyk");
    const [left, right] = [await pixel(bytes, 4, 4), await pixel(bytes, WIDTH - 4, 4)];
    expect(left[0]).toBeGreaterThan(left[1] + 50);
    expect(right[2]).toBeGreaterThan(right[0] + 50);
  });

  it.each(["b-w", "grey16"])("greyscale (%s) as three equal channels", async (space) => {
    const bytes = await picture().toColourspace(space).png().toBuffer();
    const [r, g, b] = await pixel(bytes, 4, 4);
    expect([g, b]).toEqual([r, r]);
    expect(r).toBeGreaterThan(40);
  });

  it("transparency over the ImageNet mean", async () => {
    const clear = { r: 255, g: 0, b: 0, alpha: 0 };
    const bytes = await sharp({ create: { width: 8, height: 8, channels: 4, background: clear } })
      .png()
      .toBuffer();
    expect(await pixel(bytes, 3, 3)).toEqual([124, 116, 104]);
  });

  it.each(["gif", "webp"] as const)("the first frame of an animated %s", async (format) => {
    const frames = Buffer.concat([Buffer.alloc(3 * 64, 250), Buffer.alloc(3 * 64, 5)]);
    const strip = { width: 8, height: 16, channels: 3, pageHeight: 8 } as const;
    const bytes = await sharp(frames, { raw: strip })
      .toFormat(format, { delay: [100, 100] })
      .toBuffer();
    expect((await sharp(bytes).metadata()).pages).toBe(2);
    expect(await imageSize(bytes, "a")).toEqual({ width: 8, height: 8 });
    expectNear(await pixel(bytes, 3, 3), [250, 250, 250], 6);
  });

  it("upright by its EXIF orientation, before the region is cut", async () => {
    const bytes = await picture().withMetadata({ orientation: 6 }).jpeg({ quality: 100 }).toBuffer();
    expect(await imageSize(bytes, "a")).toEqual({ width: HEIGHT, height: WIDTH });
    expectNear(await pixel(bytes, 4, 4), [200, 40, 90], 8); // turned clockwise, left becomes top
    const lower = await decode(bytes, "a", { region: { left: 2, top: WIDTH - 8, width: 8, height: 8 }, size: 4 });
    expectNear(Array.from(lower.data.subarray(0, 3)), [20, 160, 220], 8);
  });

  it.each([
    [1, 1],
    [1, 300],
    [300, 1],
  ])("%i x %i pixels, enlarged", async (width, height) => {
    const background = { r: 10, g: 20, b: 30 };
    const bytes = await sharp({ create: { width, height, channels: 3, background } })
      .png()
      .toBuffer();
    const { data } = await decode(bytes, "a", { size: 16 });
    expect(data).toHaveLength(3 * 16 * 16);
    expect(Array.from(data.subarray(3 * 100, 3 * 101))).toEqual([10, 20, 30]);
  });

  it("a region with nothing of its surroundings", async () => {
    const bytes = await picture().png().toBuffer();
    const region = { left: 0, top: 0, width: WIDTH / 2, height: HEIGHT };
    const { data } = await decode(bytes, "a", { region, size: 10 });
    for (let i = 0; i < 100; i++) expect(Array.from(data.subarray(3 * i, 3 * i + 3))).toEqual([200, 40, 90]);
  });

  it("halves by a triangle filter (antialiased)", async () => {
    const stripes = Uint8Array.from({ length: 3 * 32 * 32 }, (_, i) => (Math.floor(i / 3) % 2 ? 255 : 0));
    const bytes = await sharp(stripes, { raw: { width: 32, height: 32, channels: 3 } })
      .png()
      .toBuffer();
    const { data } = await decode(bytes, "a", { size: 16 });
    expectNear(Array.from(data.subarray(3 * 24, 3 * 28)), Array(12).fill(127.5), 2);
  });
});

describe("images that are refused", () => {
  const reasonOf = async (bytes: Uint8Array) => {
    const error = await decode(bytes, "folder/a.jpg").catch((e: unknown) => e);
    expect(error).toBeInstanceOf(InputError);
    expect((error as InputError).message).toContain("folder/a.jpg");
    return (error as InputError).problem.found;
  };

  it.each(["jpeg", "png", "webp", "gif", "tiff", "avif"] as const)("a truncated %s", async (format) => {
    const bytes = await noisy().toFormat(format).toBuffer();
    await decode(bytes, "whole");
    const reason = await reasonOf(bytes.subarray(0, Math.floor(bytes.length * 0.6)));
    expect(reason).not.toContain("\n");
    if (format === "jpeg") expect(reason).toContain("premature end");
  });

  it("an empty file", async () => expect(await reasonOf(Buffer.alloc(0))).toBe("an empty file"));

  it.each([
    ["<!doctype html><p>404", "text that begins with '<' (HTML, XML or SVG)"],
    [
      '  <svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
      "text that begins with '<' (HTML, XML or SVG)",
    ],
    [
      "version https://git-lfs.github.com/spec/v1\noid sha256:0",
      "a Git LFS pointer in place of the file (run: git lfs pull)",
    ],
    ["%PDF-1.7\n%\xe2\xe3", "a PDF"],
    ["BM\x36\0\0\0", "a BMP image"],
    ['{"images": []}', 'text ("{\\"images\\": []}")'],
    ["not an image at all\n", 'text ("not an image at all")'],
    ["\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC photograph"],
    ["\0\0\0\0", "nothing but zero bytes"],
    ["\x01\x02\xfe", "no image of these formats"],
  ])("%j saved as .jpg", async (text, found) => {
    expect(await reasonOf(Buffer.from(text, "latin1"))).toBe(found);
  });

  it("SVG that is packed, whatever it holds", async () => {
    expect(await reasonOf(gzipSync('<svg xmlns="http://www.w3.org/2000/svg"/>'))).toBe("a gzip archive");
  });

  it("each for its own reason, however many are decoded side by side", async () => {
    const cut = (bytes: Uint8Array) => bytes.subarray(0, Math.floor(bytes.length * 0.6));
    const [jpeg, png, gif] = await Promise.all([
      noisy().jpeg().toBuffer(),
      noisy().png().toBuffer(),
      noisy().gif().toBuffer(),
    ]);
    const flipped = Buffer.from(png);
    flipped[png.length >> 1] ^= 16;
    const cases: [Uint8Array, RegExp | undefined][] = [
      [cut(jpeg), /^a damaged JPEG \(premature end of JPEG image\)$/],
      [jpeg, undefined],
      [cut(png), /^a PNG that is cut off$/],
      [flipped, /^a damaged PNG \(libpng read error\)$/],
      [cut(gif), /^a damaged GIF \(Unexpected end of GIF source data\)$/],
    ];
    const reasons = await Promise.all(
      Array.from({ length: 50 }, async (_, i) => {
        const [bytes, expected] = cases[i % cases.length];
        const found = await decode(bytes, `image ${i}`).then(
          () => undefined,
          (error: unknown) => (error as InputError).problem.found,
        );
        return { found, expected };
      }),
    );
    for (const { found, expected } of reasons) {
      if (expected) expect(found).toMatch(expected);
      else expect(found).toBeUndefined();
    }
  });

  it.each([
    ["tiff", () => tiffOf({ width: 60_000, height: 60_000, data: new Uint8Array(64) })],
    ["jpeg", async () => withSize(await noisy().jpeg().toBuffer(), [0xff, 0xc0], 5)],
    ["gif's frame", async () => withSize(await noisy().gif().toBuffer(), [0x2c, 0, 0, 0, 0], 5, true)],
  ])("more pixels than the limit in the header of a %s", async (_, make) => {
    expect(await reasonOf(await make())).toBe("60000 x 60000 pixels, more than the limit of 100 megapixels");
  });

  it("a PNG of 16 x 16 pixels whose data inflates to 100 MB", async () => {
    const bytes = pngOf({ width: 16, height: 16, rows: Buffer.alloc(1e8) });
    expect(bytes.length).toBeLessThan(200_000);
    expect(await reasonOf(bytes)).toBe("a damaged PNG (more pixels than its header says)");
  });

  it("a WebP of the largest size that there is", async () => {
    const bytes = await noisy().ensureAlpha(0.5).webp({ lossless: true }).toBuffer();
    bytes.fill(0xff, 24, 27); // width and height of the extended header
    bytes.fill(0xff, 27, 30);
    expect(await reasonOf(bytes)).toMatch(/more than the limit of 100 megapixels|damaged WebP/);
  });

  it("a header of 60000 x 60000 pixels, without allocating them", async () => {
    const before = process.memoryUsage().rss;
    expect(await reasonOf(hugePng(60_000))).toBe("60000 x 60000 pixels, more than the limit of 100 megapixels");
    expect(process.memoryUsage().rss - before).toBeLessThan(200e6);
  });
});

it("PNG keeps every pixel, JPEG nearly", async () => {
  const data = Uint8Array.from({ length: 3 * 16 * 16 }, (_, i) => Math.floor(i / 3 / 16) * 16);
  const image = { width: 16, height: 16, data };
  expect(Array.from((await decode(await encodePng(image), "a")).data)).toEqual(Array.from(data));
  expectNear(Array.from((await decode(await encodeJpeg(image), "a")).data), Array.from(data), 6);
});

it("PNG of labels keeps every value, in as many bits as they need", async () => {
  const size = { width: 256, height: 256 };
  const wide = Uint16Array.from({ length: 65536 }, (_, i) => i);
  expect(await decodePng(await encodeGreyPng(wide, size))).toMatchObject({ data: wide, depth: 16, channels: 1 });
  const narrow = Uint8Array.from(wide);
  expect(await decodePng(await encodeGreyPng(narrow, size))).toMatchObject({ data: narrow, depth: 8, channels: 1 });
  const ids = Uint32Array.from([0, 255, 256, 65536, 2 ** 24 - 1, 1]);
  const { data, channels } = await decodePng(await encodeIdPng(ids, { width: 3, height: 2 }));
  expect(channels).toBe(3);
  expect(Array.from(ids, (_, i) => data[3 * i] + 256 * data[3 * i + 1] + 65536 * data[3 * i + 2])).toEqual([...ids]);
});
