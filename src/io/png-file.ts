/** @file PNG files with every value kept, at a cost that the size in their header bounds. */

import { promisify } from "node:util";
import { deflateSync, inflate } from "node:zlib";
import { type DecodedPng, decode } from "fast-png";
import type { Size } from "../core/image.js";
import { badSize } from "./pixel-limit.js";
import { TIFF_TAGS, tiffTags } from "./tiff-tags.js";

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const HEADER_LENGTH = 13;

/** Samples of a pixel by colour type: grey, RGB, palette, grey and alpha, RGB and alpha. */
const CHANNELS: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const DEPTHS = [1, 2, 4, 8, 16];

export type { DecodedPng };

/** A PNG that cannot be read; its message says what was found, e.g. "a PNG that is cut off". */
export class PngError extends Error {
  override readonly name = "PngError";
  constructor(
    message: string,
    /** What to do. */
    readonly fix?: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const CUT_OFF = "a PNG that is cut off";
const damaged = (why: string, cause?: unknown) => new PngError(`a damaged PNG (${why})`, undefined, { cause });

export interface PngHeader extends Size {
  /** Bits of a sample. */
  readonly depth: number;
  readonly channels: number;
  readonly interlaced: boolean;
}

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.equals(bytes.subarray(0, SIGNATURE.length));

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

/** Far more than the pieces of a kilobyte that some writers make of the largest image. */
const MOST_CHUNKS = 2 ** 18;

/** The chunks of a PNG, up to its end. @throws PngError where it is cut off, or in more pieces than any writer makes */
export function* pngChunks(bytes: Uint8Array): Generator<Chunk> {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = SIGNATURE.length;
  for (let count = 0; count < MOST_CHUNKS; count++) {
    if (at + 8 > view.length) throw new PngError(CUT_OFF);
    const length = view.readUInt32BE(at);
    const type = view.toString("latin1", at + 4, at + 8);
    const end = at + 8 + length;
    if (end + 4 > view.length) throw new PngError(CUT_OFF);
    yield { type, data: bytes.subarray(at + 8, end) };
    if (type === "IEND") return;
    at = end + 4; // a checksum follows
  }
  throw damaged(`more than ${MOST_CHUNKS} chunks`);
}

export function isPngCutOff(bytes: Uint8Array): boolean {
  try {
    for (const { type } of pngChunks(bytes)) if (type === "IEND") return false;
  } catch (error) {
    if (error instanceof PngError) return error.message === CUT_OFF;
    throw error;
  }
  return false;
}

/** @throws PngError for bytes that do not begin as a PNG does, and for more pixels than can be read */
export function pngHeader(bytes: Uint8Array): PngHeader {
  const first = isPng(bytes) ? pngChunks(bytes).next().value : undefined;
  if (first?.type !== "IHDR" || first.data.length !== HEADER_LENGTH) throw damaged("no header");
  const view = new DataView(first.data.buffer, first.data.byteOffset, HEADER_LENGTH);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colourType, , , interlacing] = first.data.subarray(8);
  const channels = CHANNELS[colourType];
  if (channels === undefined || !DEPTHS.includes(depth)) {
    throw damaged(`colour type ${colourType} of ${depth} bits`);
  }
  const size = badSize(width, height);
  if (size) throw new PngError(size);
  return { width, height, depth, channels, interlaced: interlacing === 1 };
}

/** Column, row and steps of the seven passes of an interlaced PNG. */
const PASSES = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

/** Bytes of the pixels before compression: a row begins with the number of its filter. */
function inflatedLength({ width, height, depth, channels, interlaced }: PngHeader): number {
  const bytes = (columns: number, rows: number) =>
    columns > 0 ? rows * (1 + Math.ceil((columns * channels * depth) / 8)) : 0;
  if (!interlaced) return bytes(width, height);
  const passes = PASSES.map(([x, y, dx, dy]) => bytes(Math.ceil((width - x) / dx), Math.ceil((height - y) / dy)));
  return passes.reduce((a, b) => a + b, 0);
}

/** Compressed bytes may outgrow the pixels: rows of a few bytes with a block of their own, and small images. */
const MOST_GROWTH = { factor: 8, bytes: 2 ** 16 };

/** What is wrong with a PNG that holds far more data than pixels, which a decoder would inflate to the end. */
export function pngExcess(bytes: Uint8Array): string | undefined {
  try {
    const most = MOST_GROWTH.factor * inflatedLength(pngHeader(bytes)) + MOST_GROWTH.bytes;
    let held = 0;
    for (const { type, data } of pngChunks(bytes)) {
      if (type === "IDAT") held += data.length;
      if (held > most) return damaged("more pixels than its header says").message;
    }
  } catch (error) {
    if (!(error instanceof PngError)) throw error;
    return error.message === CUT_OFF ? undefined : error.message;
  }
  return undefined;
}

const inflateAsync = promisify(inflate);

/** Inflates pixels, and no byte more than the header calls for. */
async function inflatePixels(parts: readonly Uint8Array[], length: number): Promise<Buffer> {
  let pixels: Buffer;
  try {
    pixels = await inflateAsync(Buffer.concat(parts), {
      maxOutputLength: length,
      chunkSize: Math.min(length + 64, 2 ** 20),
    });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw damaged(code === "ERR_BUFFER_TOO_LARGE" ? "more pixels than its header says" : message, error);
  }
  if (pixels.length < length) throw damaged("fewer pixels than its header says");
  return pixels;
}

function chunk(type: string, data: Uint8Array): Buffer {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(data.length);
  head.write(type, 4, "latin1");
  return Buffer.concat([head, data, Buffer.alloc(4)]); // the checksum is not looked at
}

/**
 * Decodes the pixels alone: palettes, profiles and texts, which may inflate to anything, are left out. fast-png gets
 * the pixels inflated, since it has no limit of its own.
 * @throws PngError for a damaged file, more pixels than MAX_PIXELS, or less than 8 bits interlaced (fast-png reads it
 * wrongly)
 */
export async function decodePng(bytes: Uint8Array): Promise<DecodedPng> {
  const header = pngHeader(bytes);
  if (header.interlaced && header.depth < 8) {
    throw new PngError("an interlaced PNG of less than 8 bits", "Save it without interlacing.");
  }
  const chunks = [...pngChunks(bytes)];
  const exif = chunks.find(({ type }) => type === "eXIf");
  const [orientation] = (exif && tiffTags(exif.data, [TIFF_TAGS.orientation]).get(TIFF_TAGS.orientation)) ?? [1];
  if (orientation > 1) {
    throw new PngError(
      `a PNG that is turned or mirrored by EXIF (orientation ${orientation})`,
      "Save it upright, without EXIF.",
    );
  }
  const parts = chunks.flatMap(({ type, data }) => (type === "IDAT" ? [data] : []));
  const pixels = await inflatePixels(parts, inflatedLength(header));
  const plain = [
    chunk("IHDR", chunks[0].data),
    chunk("IDAT", deflateSync(pixels, { level: 0 })),
    chunk("IEND", Buffer.alloc(0)),
  ];
  try {
    return decode(Buffer.concat([SIGNATURE, ...plain]));
  } catch (error) {
    throw damaged((error as Error).message, error);
  }
}
