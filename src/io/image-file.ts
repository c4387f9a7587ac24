/** @file Photographs to 8-bit RGB and back, and the one writer of PNGs. The only file that knows sharp. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import type { Sharp, SharpOptions } from "sharp";
import { InputError } from "../core/errors.js";
import type { EncodedImage, Image, Size } from "../core/image.js";
import type { DecodeOptions, ImageDecoder, WhiteLevel } from "../core/image-decoder.js";
import { fileFault } from "./file-fault.js";
import { type ImageFormat, imageFormat, isCutOff, strangerName } from "./image-format.js";
import { badSize, MAX_PIXELS } from "./pixel-limit.js";
import { pngExcess } from "./png-file.js";
import { isSampleType, needLevels, type SampleType, statedLevels, toBytes, UnknownSamples } from "./samples.js";
import { createSharedLock } from "./shared-lock.js";
import { unknownChannels } from "./tiff-tags.js";

type Library = typeof import("sharp").default;
let library: Library | undefined;

/** sharp, loaded with the first image: that takes longer than all else of a command which needs none. */
function sharp(bytes: Uint8Array | Uint16Array, options: SharpOptions): Sharp {
  if (!library) {
    library = createRequire(import.meta.url)("sharp") as Library;
    // The loader decodes several images at once and never the same one twice soon: one thread each, no cache.
    library.cache(false);
    library.concurrency(1);
  }
  return library(bytes, options);
}

/** File suffixes that `decode` can read, without the dot. */
export const READABLE_SUFFIXES: readonly string[] = ["jpg", "jpeg", "png", "webp", "tif", "tiff", "gif", "avif"];

/** What shows through transparent pixels: the ImageNet mean, which normalisation turns into (almost) zero. */
const BACKDROP = { r: 124, g: 116, b: 104 };

function undecodable(name: string, found: string, cause?: unknown, fix?: string): InputError {
  const expected = `a readable image (${READABLE_SUFFIXES.join(", ")})`;
  return new InputError({ where: name, expected, found, fix }, { cause });
}

/** libvips keeps its messages in one buffer: what fails side by side is told another's reason, or none. */
const decoder = createSharedLock();

/** Lines of a decoder's message that say nothing of the fault. */
const NOISE = /^(Warning treated as error|source: bad seek)/;
/** What sharp says of an image of a known format whose beginning alone is right. */
const NO_HEADER = /^Input buffer contains unsupported image format$/;
const PREFIX = /^((Input buffer has corrupt header|\w+load_buffer|VipsJpeg|vipspng|\w+2vips|heif|webp):\s*)+/;

function reasonOf(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).trim().split(/\s*\n\s*/);
  const told = lines.map((line) => line.replace(PREFIX, "")).filter((line) => line !== "" && !NOISE.test(line));
  const unique = [...new Set(told)].map((line) => line.replace(NO_HEADER, "its header cannot be read"));
  return unique.slice(0, 2).join("; ") || "its decoder warns of damage";
}

/** Runs a sharp call. One that fails is run again, alone, for its own reason, which becomes an InputError. */
async function explained<T>(bytes: Uint8Array, name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await decoder.shared(work);
  } catch {
    return decoder.alone(work).catch((error: unknown) => {
      const format = formatOf(bytes, name);
      const reason = reasonOf(error);
      const found = isCutOff(bytes, format) ? `a ${format} that is cut off` : `a damaged ${format} (${reason})`;
      if (/out of memory|bad_alloc/.test(reason)) throw undecodable(name, "too little free memory for it", error);
      throw undecodable(name, found, error);
    });
  }
}

/** @throws InputError naming `name` for anything but an image of a format that can be read */
function formatOf(bytes: Uint8Array, name: string): ImageFormat {
  if (bytes.length === 0) throw undecodable(name, "an empty file");
  const format = imageFormat(bytes);
  if (format === undefined) throw undecodable(name, strangerName(bytes));
  return format;
}

/** What the header of an image says; its size is that of the upright image (EXIF orientation applied). */
export interface ImageHeader extends Size {
  /** EXIF's number: 1 for upright, 2 to 8 for turned or mirrored. */
  readonly orientation: number;
  readonly format: ImageFormat;
  readonly sampleType: SampleType;
  /** Bits of a sample in the file. */
  readonly bits: number;
  /** sharp's name of the colour space. */
  readonly space: string;
}

/** sharp's names of spaces whose samples are in proportion to light or to what a screen shows. */
const PLAIN_SPACES = ["b-w", "grey16", "rgb", "rgb16", "srgb", "scrgb"];

/**
 * The header of an image.
 * @throws InputError naming `name` when the bytes are no image of a supported format, or one over MAX_PIXELS, or have
 * channels or samples that have no meaning as colours
 */
export async function readHeader(bytes: Uint8Array, name: string): Promise<ImageHeader> {
  const format = formatOf(bytes, name);
  const meta = await explained(bytes, name, () => sharp(bytes, { limitInputPixels: false }).metadata());
  const { width, height } = meta.autoOrient;
  const tooLarge = badSize(width, height);
  if (tooLarge) throw undecodable(name, tooLarge);
  const { depth, space, orientation = 1, bitsPerSample: bits = 8 } = meta;
  const odd = format === "TIFF" ? unknownChannels(bytes) : format === "PNG" ? pngExcess(bytes) : undefined;
  if (odd) throw undecodable(name, odd);
  if (!isSampleType(depth) || (depth === "float" && bits < 32)) {
    throw undecodable(name, `${bits}-bit ${depth} samples`); // sharp loses the fractions of half precision
  }
  return { width, height, orientation, format, sampleType: depth, bits, space };
}

/**
 * Size of the upright image (EXIF orientation applied), from the header alone.
 * @throws InputError as `readHeader` does
 */
export async function imageSize(bytes: Uint8Array, name: string): Promise<Size> {
  const { width, height } = await readHeader(bytes, name);
  return { width, height };
}

/** Options of every decoding: damage is no image, and what the header says is all that is read. */
const STRICT = { autoOrient: true, failOn: "warning", limitInputPixels: MAX_PIXELS } as const;

/** The image in whatever form sharp reads it, or, where that is not what is meant, in bytes. */
async function opened(bytes: Uint8Array, name: string, white: WhiteLevel | undefined): Promise<Sharp> {
  const { format, sampleType, space } = await readHeader(bytes, name);
  const stated = statedLevels(bytes, format);
  if (!needLevels(sampleType, stated, white?.value)) return sharp(bytes, STRICT);
  if (!PLAIN_SPACES.includes(space)) throw undecodable(name, `${sampleType} samples in the colour space ${space}`);
  if (sampleType === "short") await refuseNegative(bytes, name);
  const { data, info } = await explained(bytes, name, () =>
    sharp(bytes, { ...STRICT, ignoreIcc: true })
      .toColourspace(space)
      .raw({ depth: sampleType === "ushort" ? "ushort" : "float" })
      .toBuffer({ resolveWithObject: true }),
  );
  const { buffer, byteOffset, byteLength } = data;
  const samples =
    sampleType === "ushort"
      ? new Uint16Array(buffer, byteOffset, byteLength / 2)
      : new Float32Array(buffer, byteOffset, byteLength / 4);
  const { width, height, channels } = info;
  try {
    return sharp(toBytes(samples, sampleType, stated, white?.value), { raw: { width, height, channels } });
  } catch (error) {
    if (!(error instanceof UnknownSamples)) throw error;
    const hint = error.needsWhite && white ? ` (set ${white.setting})` : "";
    const fix =
      `${hint ? `Set ${white?.setting} to the sample that is white, or save` : "Save"} it with 8 or 16 bits a ` +
      "sample.";
    throw undecodable(name, error.message + hint, error, fix);
  }
}

/**
 * Pixels of a whole image, or of a region of it, optionally resized to `size` x `size`: upright, first frame of an
 * animation, any colour space and depth brought to 8-bit sRGB (`samples.ts` says how), transparency composited on the
 * ImageNet mean. Resizing is bilinear with antialiasing (a triangle filter as wide as the reduction) and sees no pixel
 * outside the region; libvips does it while it decodes, in which it differs from `core/resample.ts` by a level or two.
 * @throws InputError naming `name` for damaged, truncated, oversized or unsupported data.
 */
export async function decode(
  bytes: Uint8Array,
  name: string,
  { region, size, white }: DecodeOptions = {},
): Promise<Image> {
  const image = await opened(bytes, name, white);
  return explained(bytes, name, async () => {
    const part = image.clone();
    if (region) part.extract({ ...region });
    if (size) part.resize(size, size, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
    part.flatten({ background: BACKDROP }).toColourspace("srgb").raw({ depth: "uchar" });
    const { data, info } = await part.toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to sRGB`);
    return { width: info.width, height: info.height, data };
  });
}

/** What Node decodes images with. */
export const imageDecoder: ImageDecoder = { size: imageSize, decode };

/**
 * The pixels of an image file, as `decode` gives them.
 * @throws InputError naming the file when it cannot be read or holds no usable image
 */
export async function readImage(file: string, options: DecodeOptions = {}): Promise<Image> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw fileFault(error, file, "an image that can be read");
  });
  return decode(bytes, file, options);
}

/** sharp makes 0 of what is below it in signed 16-bit samples. */
async function refuseNegative(bytes: Uint8Array, name: string): Promise<void> {
  const { least, most } = await sampleRange(bytes, name);
  if (least < 0) throw undecodable(name, `signed 16-bit samples from ${least} to ${most}: those below 0 would be lost`);
}

/** Smallest and largest sample of an image as the file holds them, transparency aside. @throws InputError */
export async function sampleRange(bytes: Uint8Array, name: string): Promise<{ least: number; most: number }> {
  await readHeader(bytes, name);
  const { channels } = await explained(bytes, name, () => sharp(bytes, STRICT).stats());
  const colours = channels.slice(0, channels.length < 3 ? 1 : 3);
  return { least: Math.min(...colours.map(({ min }) => min)), most: Math.max(...colours.map(({ max }) => max)) };
}

function raw({ width, height, data }: Image): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** Lossless PNG of an RGB image. */
export function encodePng(image: Image): Promise<Uint8Array> {
  return decoder.shared(() => raw(image).png().toBuffer());
}

/** PNG in grey of 8 or 16 bits, by the array's type, that keeps every one of the row-major values. */
export function encodeGreyPng(values: Uint8Array | Uint16Array, { width, height }: Size): Promise<Uint8Array> {
  const space = values instanceof Uint16Array ? "grey16" : "b-w";
  const grey = sharp(values, { raw: { width, height, channels: 1 } }).toColourspace(space);
  return decoder.shared(() => grey.png().toBuffer());
}

/** PNG in COCO's panoptic form: RGB with id = R + 256 G + 65536 B, ids below 2^24. */
export function encodeIdPng(ids: Uint32Array, { width, height }: Size): Promise<Uint8Array> {
  const data = new Uint8Array(3 * ids.length);
  for (let i = 0; i < ids.length; i++) {
    data[3 * i] = ids[i];
    data[3 * i + 1] = ids[i] >> 8;
    data[3 * i + 2] = ids[i] >> 16;
  }
  return encodePng({ width, height, data });
}

/** JPEG of an RGB image, without chroma subsampling; `quality` 1 to 100. */
export function encodeJpeg(image: Image, quality = 95): Promise<Uint8Array> {
  return decoder.shared(() => raw(image).jpeg({ quality, chromaSubsampling: "4:4:4" }).toBuffer());
}

/** The image as a PNG for a page. */
export async function asPng(image: Image): Promise<EncodedImage> {
  const { width, height } = image;
  return { width, height, mediaType: "image/png", bytes: await encodePng(image) };
}

/** The image as a JPEG for a page. */
export async function asJpeg(image: Image, quality: number): Promise<EncodedImage> {
  const { width, height } = image;
  return { width, height, mediaType: "image/jpeg", bytes: await encodeJpeg(image, quality) };
}
