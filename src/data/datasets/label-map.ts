/** @file Label maps: PNG files whose numbers are ids. Palette indices and 16 bits are kept; nothing is scaled. */

import { InputError } from "../../core/errors.js";
import type { Size } from "../../core/image.js";
import { readPicture } from "../../io/picture-file.js";
import { type DecodedPng, decodePng, isPng, PngError, pngHeader } from "../../io/png-file.js";
import { DataFault, requireSize, type WantedSize } from "./data-fault.js";

/** The ids of one file, row-major. */
export interface LabelMap extends Size {
  readonly file: string;
  readonly ids: Uint8Array | Uint16Array | Uint32Array;
}

/** What the bytes are, if not a PNG. */
function refusal(bytes: Uint8Array): { found: string; fix?: string } | undefined {
  if (isPng(bytes)) return undefined;
  const fix = "Save label maps as PNG: greyscale, palette or 16 bit.";
  if (bytes[0] === 0xff && bytes[1] === 0xd8) {
    return { found: "a JPEG, whose compression changes ids", fix: `Write the labels anew from their source. ${fix}` };
  }
  return { found: "another format", fix };
}

/** One number a pixel out of 1, 2 or 4 bits; rows begin at whole bytes. */
function unpack({ data, width, height, depth }: DecodedPng): Uint8Array {
  const ids = new Uint8Array(width * height);
  const rowBytes = Math.ceil((width * depth) / 8);
  const mask = (1 << depth) - 1;
  for (let y = 0, out = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      ids[out++] = (data[y * rowBytes + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
    }
  }
  return ids;
}

/** @throws DataFault */
async function readPng(file: string, wanted: WantedSize | undefined): Promise<DecodedPng> {
  const unreadable = (found: string, fix?: string, cause?: unknown) =>
    new DataFault("unreadable label", { where: file, expected: "a label map in PNG", found, fix }, { cause });
  try {
    const bytes = await readPicture(file, "a label map in PNG");
    const other = refusal(bytes);
    if (other) throw unreadable(other.found, other.fix);
    const header = pngHeader(bytes);
    if (wanted) requireSize(header, file, wanted);
    return await decodePng(bytes);
  } catch (error) {
    if (error instanceof PngError) throw unreadable(error.message, error.fix, error);
    if (!(error instanceof InputError) || error instanceof DataFault) throw error;
    throw unreadable(error.problem.found, error.problem.fix, error);
  }
}

/** Channel `channel` of every pixel. */
function channelOf({ data, width, height, channels }: DecodedPng, channel: number): Uint8Array | Uint16Array {
  const ids = data instanceof Uint16Array ? new Uint16Array(width * height) : new Uint8Array(width * height);
  for (let i = 0, at = channel; i < ids.length; i++, at += channels) ids[i] = data[at];
  return ids;
}

function isGrey({ data, channels }: DecodedPng): boolean {
  for (let at = 0; at < data.length; at += channels) {
    if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return false;
  }
  return true;
}

/**
 * Ids of one channel: greyscale or palette of 1 to 16 bits; grey that was saved as RGB will do; an alpha channel is
 * ignored.
 * @param wanted the size that it must have; compared before anything is decoded
 * @throws DataFault for what is no PNG, is damaged, too large or of another size, or is a picture in colours
 */
export async function readLabelMap(file: string, wanted?: WantedSize): Promise<LabelMap> {
  return idsOf(await readPng(file, wanted), file);
}

function idsOf(png: DecodedPng, file: string): LabelMap {
  const { width, height, depth, channels, data } = png;
  const map = (ids: LabelMap["ids"]): LabelMap => ({ file, width, height, ids });
  if (depth < 8) return map(unpack(png));
  if (channels === 1)
    return map(data instanceof Uint16Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length));
  if (channels === 2 || isGrey(png)) return map(channelOf(png, 0));
  throw new DataFault("unreadable label", {
    where: file,
    expected: "one id a pixel (greyscale or palette)",
    found: "a picture in colours",
    fix: "Save the ids themselves, not their colours.",
  });
}

/**
 * Ids of a colour PNG, R + 256 G + 65536 B, as COCO's panoptic maps; a greyscale one is read as its values. @throws
 * DataFault
 */
export async function readColourMap(file: string, wanted?: WantedSize): Promise<LabelMap> {
  const png = await readPng(file, wanted);
  const { width, height, channels, data } = png;
  if (channels < 3) return idsOf(png, file);
  if (png.depth !== 8) {
    throw new DataFault("unreadable label", {
      where: file,
      expected: "ids in 8-bit RGB",
      found: `${png.depth} bits a channel`,
    });
  }
  const ids = new Uint32Array(width * height);
  for (let i = 0, at = 0; i < ids.length; i++, at += channels) {
    ids[i] = data[at] | (data[at + 1] << 8) | (data[at + 2] << 16);
  }
  return { file, width, height, ids };
}

/** The first two channels, R and G, of a colour PNG (ADE20K's instance maps: category and number). @throws DataFault */
export async function readTwoChannels(file: string, wanted?: WantedSize): Promise<{ red: LabelMap; green: LabelMap }> {
  const png = await readPng(file, wanted);
  const { width, height, channels, depth } = png;
  if (channels < 3 || depth !== 8) {
    const found = `${channels} channel(s) of ${depth} bits`;
    throw new DataFault("unreadable label", { where: file, expected: "an 8-bit RGB map", found });
  }
  const map = (channel: number): LabelMap => ({ file, width, height, ids: channelOf(png, channel) });
  return { red: map(0), green: map(1) };
}
