/** @file Photographs to 8-bit RGB and back. The only file that knows sharp. */
import sharp, { type Sharp } from "sharp";
import { InputError } from "../core/errors.js";
import { badSize, MAX_PIXELS } from "./pixel-limit.js";

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

/** sharp's names of the formats behind READABLE_SUFFIXES ("heif" holds AVIF). SVG and PDF are no photographs. */
const FORMATS = new Set(["jpeg", "png", "webp", "tiff", "gif", "heif"]);

function undecodable(name: string, found: string, cause?: unknown): InputError {
  const expected = `a readable image (${READABLE_SUFFIXES.join(", ")})`;
  return new InputError({ where: name, expected, found }, { cause });
}

/** Runs a sharp call; its failure becomes an InputError with sharp's reason on one line. */
async function explained<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw undecodable(
      name,
      reason
        .trim()
        .split(/\s*\n\s*/)
        .join("; "),
      error,
    );
  }
}

/**
 * Size of the upright image (EXIF orientation applied), from the header alone.
 * @throws InputError naming `name` when the bytes are no image of a supported format, or one over MAX_PIXELS.
 */
export async function imageSize(bytes: Uint8Array, name: string): Promise<{ width: number; height: number }> {
  if (bytes.length === 0) throw undecodable(name, "an empty file");
  if (bytes[0] === "<".charCodeAt(0)) throw undecodable(name, "text that begins with '<' (HTML, XML or SVG)");
  const meta = await explained(name, () => sharp(bytes, { limitInputPixels: false }).metadata());
  if (!FORMATS.has(meta.format)) throw undecodable(name, `the format ${meta.format}`);
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
  return explained(name, async () => {
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
  return { width, height, data: await resized.toBuffer() };
}

/** Lossless PNG of an RGB image. */
export function encodePng(image: RgbImage): Promise<Uint8Array> {
  return raw(image).png().toBuffer();
}

/** JPEG of an RGB image, without chroma subsampling; `quality` 1 to 100. */
export function encodeJpeg(image: RgbImage, quality = 95): Promise<Uint8Array> {
  return raw(image).jpeg({ quality, chromaSubsampling: "4:4:4" }).toBuffer();
}
