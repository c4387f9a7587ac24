/** @file TIFF files of any kind of sample, put together by hand: one strip, little-endian, not compressed. */

export interface TiffParts {
  width: number;
  height: number;
  /** The pixels, interleaved; the array's type is that of the samples. */
  data: Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array;
  /** Samples of a pixel, default 1. */
  samples?: number;
  /** Default: that of the array. */
  bits?: number;
  /** SampleFormat: 1 unsigned, 2 signed, 3 floating point, 6 complex; default that of the array. */
  format?: number;
  /** PhotometricInterpretation; default 1, or 2 (RGB) from three samples on. */
  photometric?: number;
  /** Further tags: number, type (3 short, 4 long, 11 float), values. */
  tags?: readonly (readonly [tag: number, type: 3 | 4 | 11, values: readonly number[]])[];
}

const SIZES = { 3: 2, 4: 4, 11: 4 } as const;

function formatOf(data: TiffParts["data"]): number {
  if (data instanceof Float32Array || data instanceof Float64Array) return 3;
  return data instanceof Int8Array || data instanceof Int16Array || data instanceof Int32Array ? 2 : 1;
}

export function tiffOf(parts: TiffParts): Buffer {
  const { width, height, data, samples = 1, tags = [] } = parts;
  const { bits = 8 * data.BYTES_PER_ELEMENT, format = formatOf(data), photometric = samples >= 3 ? 2 : 1 } = parts;
  const pixels = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const each = (value: number) => Array<number>(samples).fill(value);
  const all = [
    [256, 4, [width]],
    [257, 4, [height]],
    [258, 3, each(bits)],
    [259, 3, [1]],
    [262, 3, [photometric]],
    [273, 4, [8]],
    [277, 3, [samples]],
    [278, 4, [height]],
    [279, 4, [pixels.length]],
    [339, 3, each(format)],
    ...tags,
  ].sort(([a], [b]) => (a as number) - (b as number)) as NonNullable<TiffParts["tags"]>[number][];
  const padded = Buffer.concat([pixels, Buffer.alloc(pixels.length % 2)]);
  const start = 8 + padded.length;
  const directory = Buffer.alloc(2 + 12 * all.length + 4);
  directory.writeUInt16LE(all.length);
  const beyond: Buffer[] = [];
  let end = start + directory.length;
  for (const [i, [tag, type, values]] of all.entries()) {
    const at = 2 + 12 * i;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(values.length, at + 4);
    const bytes = Buffer.alloc(SIZES[type] * values.length);
    for (const [k, value] of values.entries()) {
      if (type === 3) bytes.writeUInt16LE(value, 2 * k);
      else if (type === 4) bytes.writeUInt32LE(value, 4 * k);
      else bytes.writeFloatLE(value, 4 * k);
    }
    if (bytes.length <= 4) bytes.copy(directory, at + 8);
    else {
      directory.writeUInt32LE(end, at + 8);
      beyond.push(bytes);
      end += bytes.length;
    }
  }
  const head = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(start, 4);
  return Buffer.concat([head, padded, directory, ...beyond]);
}
