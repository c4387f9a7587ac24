/**
 * @file Resizing of plain arrays. Images and labels as the official code's libraries do it, to the last bit, of the
 * part that is kept only (Pillow's `Image.resize`, torch's `interpolate`). Two more places interpolate, for what this
 * cannot do: graphs, which are differentiated (`nn/layers.ts`, `nn/sampling.ts`), and the decoder, which resizes
 * pretraining's crops as it decodes them, several times as fast.
 */
import { type Image, type PixelValues, type Size, zerosLike } from "./image.js";

/**
 * Which source pixels the output's pixels of one axis come from: source -> mirrored -> resized -> cut out -> mirrored.
 */
export interface Axis {
  /** Pixels of the source. */
  readonly source: number;
  /** Pixels of the whole resized source. */
  readonly resized: number;
  /** First pixel of the resized source that is kept, and how many are. */
  readonly start: number;
  readonly length: number;
  /** Mirrored before resizing or after cutting out. The two differ: a random cut, and pixels halfway between two. */
  readonly mirror?: "before" | "after";
}

/** Place in the whole resized source of the i-th output pixel. */
function place({ start, length, mirror }: Axis, i: number): number {
  return mirror === "after" ? start + length - 1 - i : start + i;
}

function nearestTable(axis: Axis, sourceOf: (place: number) => number): Int32Array {
  const { source, length, mirror } = axis;
  return Int32Array.from({ length }, (_, i) => {
    const from = sourceOf(place(axis, i));
    return mirror === "before" ? source - 1 - from : from;
  });
}

/** Source pixel of each output pixel by Pillow's NEAREST: floor((i + 0.5) * source / resized). */
export function nearestPixels(axis: Axis): Int32Array {
  const step = axis.source / axis.resized;
  // Pillow adds up steps; where that rounds across a pixel's border, so do we.
  const sources = new Int32Array(axis.resized);
  for (let i = 0, at = step / 2; i < axis.resized; i++, at += step) sources[i] = Math.min(axis.source - 1, at);
  return nearestTable(axis, (i) => sources[i]);
}

/** Source pixel of each output pixel by torch's "nearest": floor(i * source / resized), not centred. */
export function legacyNearestPixels(axis: Axis): Int32Array {
  return nearestTable(axis, (i) => Math.floor((i * axis.source) / axis.resized));
}

/**
 * A row of weights for each output pixel: `count[i]` of them at `weights[i * stride]`, for the pixels from `first[i]`.
 */
interface Taps {
  readonly first: Int32Array;
  readonly count: Int32Array;
  readonly weights: Int32Array;
  readonly stride: number;
}

/** Weights are integers, WEIGHT_BITS bits to one. */
const WEIGHT_BITS = 22;
const HALF = 1 << (WEIGHT_BITS - 1);

/** Pillow's BILINEAR: a triangle as wide as the reduction, 2 pixels at least, its weights normalised and rounded. */
function bilinearTaps(axis: Axis): Taps {
  const { source, resized, length, mirror } = axis;
  const scale = source / resized;
  const support = Math.max(1, scale);
  const stride = 2 * Math.ceil(support) + 1;
  const first = new Int32Array(length);
  const count = new Int32Array(length);
  const weights = new Int32Array(length * stride);
  const raw = new Float64Array(stride);
  for (let i = 0; i < length; i++) {
    const centre = (place(axis, i) + 0.5) * scale;
    const low = Math.max(0, Math.trunc(centre - support + 0.5));
    const taps = Math.min(source, Math.trunc(centre + support + 0.5)) - low;
    let sum = 0;
    for (let k = 0; k < taps; k++) {
      raw[k] = Math.max(0, 1 - Math.abs((k + low - centre + 0.5) * (1 / support)));
      sum += raw[k];
    }
    const mirrored = mirror === "before";
    first[i] = mirrored ? source - low - taps : low;
    count[i] = taps;
    for (let k = 0; k < taps; k++) {
      weights[i * stride + (mirrored ? taps - 1 - k : k)] = Math.trunc((raw[k] / sum) * (1 << WEIGHT_BITS) + 0.5);
    }
  }
  return { first, count, weights, stride };
}

/** One output row of the horizontal pass: three channels at a time. */
function resampleRow(row: Uint8Array, { first, count, weights, stride }: Taps, out: Uint8Array, to: number): void {
  for (let x = 0; x < first.length; x++, to += 3) {
    let [r, g, b] = [HALF, HALF, HALF];
    const end = x * stride + count[x];
    for (let k = x * stride, from = 3 * first[x]; k < end; k++, from += 3) {
      const weight = weights[k];
      r = (r + Math.imul(weight, row[from])) | 0;
      g = (g + Math.imul(weight, row[from + 1])) | 0;
      b = (b + Math.imul(weight, row[from + 2])) | 0;
    }
    out[to] = r >> WEIGHT_BITS;
    out[to + 1] = g >> WEIGHT_BITS;
    out[to + 2] = b >> WEIGHT_BITS;
  }
}

/**
 * The part of the resized image that the axes keep, as Pillow's BILINEAR computes it on bytes: antialiased, fixed
 * point, rows first, rounded after each pass. Only source rows that are needed are touched.
 */
export function resizeBilinear(image: Image, x: Axis, y: Axis): Image {
  const across = bilinearTaps(x);
  const down = bilinearTaps(y);
  const top = Math.min(...down.first);
  const bottom = Math.max(...down.first.map((from, i) => from + down.count[i]));
  const width = 3 * x.length;
  const rows = new Uint8Array((bottom - top) * width);
  for (let row = top; row < bottom; row++) {
    const from = 3 * image.width * row;
    resampleRow(image.data.subarray(from, from + 3 * image.width), across, rows, (row - top) * width);
  }
  const data = new Uint8Array(y.length * width);
  const sums = new Int32Array(width);
  for (let row = 0; row < y.length; row++) {
    sums.fill(HALF);
    for (let k = 0; k < down.count[row]; k++) {
      const weight = down.weights[row * down.stride + k];
      const from = (down.first[row] + k - top) * width;
      for (let i = 0; i < width; i++) sums[i] += Math.imul(weight, rows[from + i]);
    }
    const to = row * width;
    for (let i = 0; i < width; i++) data[to + i] = sums[i] >> WEIGHT_BITS;
  }
  return { width: x.length, height: y.length, data };
}

const wholeAxis = (source: number, resized: number): Axis => ({ source, resized, start: 0, length: resized });

/** The whole image at another size, as `resizeBilinear` computes it. */
export function resizeImage(image: Image, { width, height }: Size): Image {
  if (width === image.width && height === image.height) return image;
  return resizeBilinear(image, wholeAxis(image.width, width), wholeAxis(image.height, height));
}

/** Row-major values at another size by Pillow's NEAREST: for what must not be mixed. A pixel has `channels` values. */
export function resizeNearest<T extends PixelValues>(values: T, from: Size, { width, height }: Size, channels = 1): T {
  const resized = zerosLike(values, channels * width * height);
  const rows = nearestPixels(wholeAxis(from.height, height));
  const columns = nearestPixels(wholeAxis(from.width, width));
  let to = 0;
  for (const row of rows) {
    for (const column of columns) {
      const at = channels * (row * from.width + column);
      for (let c = 0; c < channels; c++) resized[to++] = values[at + c];
    }
  }
  return resized;
}

/** Where the outputs of an axis lie between its inputs: `fraction[i]` of the way from input `low[i]` to the next. */
export interface Interpolation {
  readonly low: Int32Array;
  /** 0 where there is no next one. */
  readonly fraction: Float64Array;
}

/** Bilinear without antialiasing, half-pixel centres, clamped at the edges (torch's `interpolate`). */
export function interpolation(from: number, to: number): Interpolation {
  const low = new Int32Array(to);
  const fraction = new Float64Array(to);
  for (let i = 0; i < to; i++) {
    const position = Math.min(from - 1, Math.max(0, ((i + 0.5) * from) / to - 0.5));
    low[i] = Math.floor(position);
    fraction[i] = position - low[i];
  }
  return { low, fraction };
}
