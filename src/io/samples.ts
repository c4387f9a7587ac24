/** @file The one place that decides how samples of more than 8 bits become the 8 bits that the network sees. */

import type { ImageFormat } from "./image-format.js";
import { PngError, pngChunks } from "./png-file.js";
import { TIFF_TAGS, tiffTags } from "./tiff-tags.js";

/** Types of samples by sharp's names, and ours. */
const NAMES = {
  uchar: "8-bit",
  char: "signed 8-bit",
  ushort: "16-bit",
  short: "signed 16-bit",
  uint: "32-bit",
  int: "signed 32-bit",
  float: "floating-point",
  double: "floating-point",
} as const;
export type SampleType = keyof typeof NAMES;
const FLOATS: ReadonlySet<SampleType> = new Set(["float", "double"]);

export const isSampleType = (type: string): type is SampleType => Object.hasOwn(NAMES, type);

/** What a file says of its samples. */
export interface StatedLevels {
  readonly black?: number;
  readonly white?: number;
  /** PNG: bits of a sample that were used before it was scaled to 16. Many writers do not scale. */
  readonly significantBits?: number;
}

/** Bits of a sample that a PNG says are significant. Damage is left to its decoder. */
function significantBits(png: Uint8Array): number | undefined {
  try {
    for (const { type, data } of pngChunks(png)) {
      if (type === "IDAT") return undefined;
      if (type === "sBIT" && data.length > 0) return Math.max(...data.subarray(0, 4));
    }
  } catch (error) {
    if (!(error instanceof PngError)) throw error;
  }
  return undefined;
}

/** What a file says: a PNG in sBIT, a TIFF in SMinSampleValue and SMaxSampleValue. */
export function statedLevels(bytes: Uint8Array, format: ImageFormat): StatedLevels {
  if (format === "PNG") return { significantBits: significantBits(bytes) };
  if (format !== "TIFF") return {};
  const tags = tiffTags(bytes, [TIFF_TAGS.smallestSample, TIFF_TAGS.largestSample]);
  const white = tags.get(TIFF_TAGS.largestSample);
  const black = tags.get(TIFF_TAGS.smallestSample);
  return { black: black && Math.min(...black), white: white && Math.max(...white) };
}

/** Samples of a whole image, interleaved. */
export type Samples = Uint16Array | Float32Array;

/** The two samples that become 0 and 255. */
export interface Levels {
  readonly black: number;
  readonly white: number;
}

/** Samples that nobody can make bytes of; the message says what was found. */
export class UnknownSamples extends Error {
  override readonly name = "UnknownSamples";
  constructor(
    message: string,
    /** Whether it helps to say what is white. */
    readonly needsWhite = false,
  ) {
    super(message);
  }
}

/**
 * Whether samples need a decision at all: libvips brings 8 and full 16 bits to 8 by itself, colour profiles included.
 * @param value what the user says is white
 */
export function needLevels(type: SampleType, stated: StatedLevels, value?: number): boolean {
  if (type === "uchar") return false;
  if (type !== "ushort" || value !== undefined || stated.white !== undefined) return true;
  return stated.significantBits !== undefined && stated.significantBits < 16;
}

/** Smallest and largest sample. @throws UnknownSamples for a NaN or infinity */
function rangeOf(samples: Samples): Levels {
  let [black, white] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < samples.length; i++) {
    const value = samples[i];
    if (value < black) black = value;
    if (value > white) white = value;
    if (!Number.isFinite(value)) throw new UnknownSamples("samples that are no finite numbers");
  }
  return { black, white };
}

/**
 * Whether samples of `bits` significant bits are stored as they are. A PNG should hold them scaled to 16 bits, that is
 * shifted left, the vacated bits 0 or a copy of the highest: then a value below 2^bits has nothing in them.
 */
function isUnscaled(samples: Samples, bits: number): boolean {
  let used = 0;
  for (let i = 0; i < samples.length; i++) used |= samples[i];
  return used < 2 ** bits && (used & (2 ** (16 - bits) - 1)) !== 0;
}

/** Values that still round to a byte may lie this far outside 0 to 1. */
const HALF_STEP = 0.5 / 255;
/** Values below black, as a share of the range, that are taken for noise. */
const NOISE = 0.1;

const rounded = (value: number) => Number(value.toPrecision(4));

/** @throws UnknownSamples unless the user, the file or the type says what is white */
function levelsOf(samples: Samples, type: SampleType, stated: StatedLevels, value: number | undefined): Levels {
  const range = rangeOf(samples);
  const given = value ?? stated.white;
  if (given !== undefined) {
    const black = value === undefined ? (stated.black ?? 0) : 0;
    const found = `samples from ${rounded(range.black)} to ${rounded(range.white)}`;
    if (!(given > black))
      throw new UnknownSamples(`${found}, of which it says that ${black} is black and ${given} white`);
    if (range.black < black - NOISE * (given - black)) throw new UnknownSamples(`${found}, far below black (${black})`);
    return { black, white: given };
  }
  if (type === "ushort") {
    const bits = stated.significantBits ?? 16;
    return { black: 0, white: bits > 0 && bits < 16 && isUnscaled(samples, bits) ? 2 ** bits - 1 : 0xffff };
  }
  if (FLOATS.has(type) && range.black >= -HALF_STEP && range.white <= 1 + HALF_STEP) return { black: 0, white: 1 };
  const found = `${NAMES[type]} samples from ${rounded(range.black)} to ${rounded(range.white)}`;
  throw new UnknownSamples(`${found}, and nothing that says which of them is white`, true);
}

/**
 * Brings samples to bytes: black becomes 0, white 255, in proportion between, and what lies outside is cut.
 * @throws UnknownSamples where nothing says what is white, or a sample is no number
 */
export function toBytes(samples: Samples, type: SampleType, stated: StatedLevels, value?: number): Uint8Array {
  const { black, white } = levelsOf(samples, type, stated, value);
  const factor = 255 / (white - black);
  const bytes = new Uint8ClampedArray(samples.length); // rounds and cuts
  for (let i = 0; i < samples.length; i++) bytes[i] = (samples[i] - black) * factor;
  return new Uint8Array(bytes.buffer);
}
