/** @file Tags of a TIFF file's first image, and of EXIF data, which has the same form. */

/** Tags by their numbers (TIFF 6.0). */
export const TIFF_TAGS = {
  photometric: 262,
  orientation: 274,
  samplesPerPixel: 277,
  extraSamples: 338,
  smallestSample: 340,
  largestSample: 341,
} as const;

type Read = (view: DataView, at: number, little: boolean) => number;

/** Bytes and reader of a value by the number of its type; texts and fractions are passed over. */
const TYPES: Readonly<Record<number, readonly [bytes: number, read: Read]>> = {
  1: [1, (view, at) => view.getUint8(at)],
  3: [2, (view, at, little) => view.getUint16(at, little)],
  4: [4, (view, at, little) => view.getUint32(at, little)],
  6: [1, (view, at) => view.getInt8(at)],
  8: [2, (view, at, little) => view.getInt16(at, little)],
  9: [4, (view, at, little) => view.getInt32(at, little)],
  11: [4, (view, at, little) => view.getFloat32(at, little)],
  12: [8, (view, at, little) => view.getFloat64(at, little)],
  16: [8, (view, at, little) => Number(view.getBigUint64(at, little))],
};

/** More than any file has of its own accord. */
const MOST_TAGS = 4096;
const MOST_VALUES = 64;

/** The numbers of the wanted tags that the first directory has. Damage ends the reading: its decoder reports it. */
export function tiffTags(bytes: Uint8Array, wanted: readonly number[]): Map<number, number[]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = new Map<number, number[]>();
  try {
    const little = view.getUint16(0) === 0x4949;
    const big = view.getUint16(2, little) === 43;
    const offset = (at: number) => (big ? Number(view.getBigUint64(at, little)) : view.getUint32(at, little));
    const [entryBytes, inline] = big ? [20, 8] : [12, 4];
    const directory = offset(big ? 8 : 4);
    const entries = Math.min(big ? offset(directory) : view.getUint16(directory, little), MOST_TAGS);
    for (let i = 0, at = directory + (big ? 8 : 2); i < entries; i++, at += entryBytes) {
      const tag = view.getUint16(at, little);
      const type = TYPES[view.getUint16(at + 2, little)];
      if (!type || !wanted.includes(tag)) continue;
      const [size, read] = type;
      const count = offset(at + 4);
      const values = at + entryBytes - inline;
      const start = count * size > inline ? offset(values) : values;
      const length = Math.min(count, MOST_VALUES);
      found.set(
        tag,
        Array.from({ length }, (_, k) => read(view, start + k * size, little)),
      );
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // beyond the end
  }
  return found;
}

/**
 * Samples of a pixel that are colours, by PhotometricInterpretation: grey, palette and mask 1, CMYK 4, all others 3.
 */
const COLOURS: Readonly<Record<number, number>> = { 0: 1, 1: 1, 3: 1, 4: 1, 5: 4 };

/** What is wrong with the channels of a TIFF: samples beside the colours must be one of transparency. */
export function unknownChannels(bytes: Uint8Array): string | undefined {
  const { photometric, samplesPerPixel, extraSamples } = TIFF_TAGS;
  const tags = tiffTags(bytes, [photometric, samplesPerPixel, extraSamples]);
  const one = (tag: number, otherwise: number) => tags.get(tag)?.[0] ?? otherwise;
  const samples = one(samplesPerPixel, 1);
  const extra = samples - (COLOURS[one(photometric, 1)] ?? 3);
  if (extra <= 0 || (extra === 1 && one(extraSamples, 0) > 0)) return undefined;
  return `${samples} samples a pixel, of which ${extra} ${extra === 1 ? "is" : "are"} neither colour nor transparency`;
}
