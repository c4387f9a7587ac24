/** @file PNG files put together by hand: headers that lie, chunks that inflate to much. */

import { crc32, deflateSync } from "node:zlib";

const PNG_SIGNATURE = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);

export function pngChunk(type: string, body: Uint8Array): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length);
  const crc = Buffer.alloc(4);
  crc.writeUInt32BE(crc32(Buffer.concat([Buffer.from(type), body])));
  return Buffer.concat([length, Buffer.from(type), body, crc]);
}

export interface PngParts {
  width: number;
  height: number;
  /** Bits of a sample, default 8. */
  depth?: number;
  /** PNG's number, default 0: greyscale. */
  colourType?: number;
  /** Rows with their filter bytes, to be deflated. */
  rows: Uint8Array;
  /** Chunks between the header and the pixels. */
  extra?: readonly Buffer[];
}

export function pngOf({ width, height, depth = 8, colourType = 0, rows, extra = [] }: PngParts): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType], 8);
  const data = pngChunk("IDAT", deflateSync(rows));
  return Buffer.concat([PNG_SIGNATURE, pngChunk("IHDR", header), ...extra, data, pngChunk("IEND", Buffer.alloc(0))]);
}
