/** @file Photographs to 8-bit RGB and back. The only file that knows sharp. */
import sharp, { type Sharp } from "sharp";
import { InputError } from "../core/errors.js";
import { type ImageFormat, imageFormat, isCutOff, strangerName } from "./image-format.js";
import { badSize, MAX_PIXELS } from "./pixel-limit.js";
import { createSharedLock } from "./shared-lock.js";

// The loader decodes several images at once and never the same one twice soon: one thread each, no cache.
sharp.cache(false);
sharp.concurrency(1);

/** Interleaved 8-bit sRGB: `height * width * 3` bytes, rows from the top. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

/** A rectangle of pixels of the upright image. */
export interface Region {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** File suffixes that `decode` can read, without the dot. */
export const READABLE_SUFFIXES: readonly string[] = ["jpg", "jpeg", "png", "webp", "tif", "tiff", "gif", "avif"];

/** What shows through transparent pixels: the ImageNet mean, which normalisation turns into (almost) zero. */
const BACKDROP = { r: 124, g: 116, b: 104 };

function undecodable(name: string, found: string, cause?: unknown): InputError {
  const expected = `a readable image (${READABLE_SUFFIXES.join(", ")})`;
  return new InputError({ where: name, expected, found }, { cause });
}

/** libvips keeps its messages in one buffer: what fails side by side is told another's reason, or none. */
const decoder = createSharedLock();

/** Lines of a decoder's message that say nothing of the fault. */
const NOISE = /^(Warning treated as error|source: bad seek)/;
const PREFIX = /^((Input buffer has corrupt header|\w+load_buffer|VipsJpeg|vipspng|\w+2vips|heif): )+/;

function reasonOf(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).trim().split(/\s*\n\s*/);
  const told = lines.filter((line) => !NOISE.test(line)).map((line) => line.replace(PREFIX, ""));
  return [...new Set(told)].slice(0, 2).join("; ") || "its decoder warns of damage";
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

/**
 * Size of the upright image (EXIF orientation applied), from the header alone.
 * @throws InputError naming `name` when the bytes are no image of a supported format, or one over MAX_PIXELS.
 */
export async function imageSize(bytes: Uint8Array, name: string): Promise<{ width: number; height: number }> {
  formatOf(bytes, name);
  const meta = await explained(bytes, name, () => sharp(bytes, { limitInputPixels: false }).metadata());
  const { width, height } = meta.autoOrient;
  const tooLarge = badSize(width, height);
  if (tooLarge) throw undecodable(name, tooLarge);
  return { width, height };
}

/**
 * Pixels of a whole image, or of a region of it, optionally resized to `size` x `size`: upright, first frame of an
 * animation, any colour space and depth brought to 8-bit sRGB, transparency composited on the ImageNet mean.
 * Resizing is bilinear with antialiasing (a triangle filter as wide as the reduction) and sees no pixel outside the
 * region.
 * @throws InputError naming `name` for damaged, truncated, oversized or unsupported data.
 */
export async function decode(
  bytes: Uint8Array,
  name: string,
  { region, size }: { region?: Region; size?: number } = {},
): Promise<RgbImage> {
  await imageSize(bytes, name);
  return explained(bytes, name, async () => {
    const image = sharp(bytes, { autoOrient: true, failOn: "warning", limitInputPixels: MAX_PIXELS });
    if (region) image.extract({ ...region });
    if (size) image.resize(size, size, { fit: "fill", kernel: "linear", fastShrinkOnLoad: false });
    image.flatten({ background: BACKDROP }).toColourspace("srgb").raw({ depth: "uchar" });
    const { data, info } = await image.toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to sRGB`);
    return { width: info.width, height: info.height, data };
  });
}

function raw({ width, height, data }: RgbImage): Sharp {
  return sharp(data, { raw: { width, height, channels: 3 } });
}

/** The image at another size, whatever its shape then: bilinear, with antialiasing where it shrinks. */
export async function resizeImage(image: RgbImage, width: number, height: number): Promise<RgbImage> {
  const resized = raw(image).resize(width, height, { fit: "fill", kernel: "linear" }).raw({ depth: "uchar" });
  return { width, height, data: await decoder.shared(() => resized.toBuffer()) };
}

/** Lossless PNG of an RGB image. */
export function encodePng(image: RgbImage): Promise<Uint8Array> {
  return decoder.shared(() => raw(image).png().toBuffer());
}

/** JPEG of an RGB image, without chroma subsampling; `quality` 1 to 100. */
export function encodeJpeg(image: RgbImage, quality = 95): Promise<Uint8Array> {
  return decoder.shared(() => raw(image).jpeg({ quality, chromaSubsampling: "4:4:4" }).toBuffer());
}
