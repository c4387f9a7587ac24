/** @file Crops, flips and normalisation: from the bytes of a photograph to the network's input. */
import { IMAGENET_MEAN, IMAGENET_STD } from "../core/colour-statistics.js";
import type { Image, Region, Size } from "../core/image.js";
import type { RandomStream } from "../core/random.js";
import type { ImageSource } from "./source.js";

/** A part of an image, seen in a mirror or not. */
export interface View extends Region {
  readonly flip: boolean;
}

type Range = readonly [low: number, high: number];

/** Chooses what of a `width` x `height` image the network sees; all chance comes from `random`. */
export type ViewRule = (width: number, height: number, random: RandomStream) => View;

function centred(width: number, height: number, w: number, h: number, flip: boolean): View {
  return { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h, flip };
}

export interface CropOptions {
  /** Share of the image's area, low and high. */
  scale?: Range;
  /** Width / height of the crop, low and high. */
  ratio?: Range;
  /** Whether half of the crops are mirrored. */
  flip?: boolean;
}

/**
 * A crop of random area, aspect ratio and place, mirrored half of the time. The crop is torchvision's
 * RandomResizedCrop: up to ten trials of area ~ U(scale) * whole and log aspect ~ U(log ratio); if none fits, the
 * largest centred crop whose aspect ratio lies within `ratio`.
 */
export function randomResizedCrop({
  scale = [0.35, 1],
  ratio = [3 / 4, 4 / 3],
  flip: mirror = true,
}: CropOptions = {}): ViewRule {
  return (width, height, random) => {
    const flip = random.uniform() < 0.5 && mirror;
    for (let trial = 0; trial < 10; trial++) {
      const area = width * height * random.uniform(...scale);
      const aspect = Math.exp(random.uniform(Math.log(ratio[0]), Math.log(ratio[1])));
      const w = Math.round(Math.sqrt(area * aspect));
      const h = Math.round(Math.sqrt(area / aspect));
      if (w < 1 || h < 1 || w > width || h > height) continue;
      const top = random.integer(height - h + 1);
      const left = random.integer(width - w + 1);
      return { left, top, width: w, height: h, flip };
    }
    const aspect = Math.min(Math.max(width / height, ratio[0]), ratio[1]);
    const w = Math.max(1, Math.min(width, Math.round(height * aspect)));
    const h = Math.max(1, Math.min(height, Math.round(width / aspect)));
    return centred(width, height, w, h, flip);
  };
}

/** The largest centred square, never mirrored: the same every time, for evaluation and pictures. */
export const centreCrop: ViewRule = (width, height) => {
  const side = Math.min(width, height);
  return centred(width, height, side, side, false);
};

// NORMALISED[c * 256 + v] = (v - mean_c) / std_c
const NORMALISED = Float32Array.from({ length: 3 * 256 }, (_, i) => {
  const channel = i >> 8;
  return ((i & 255) - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel];
});

/**
 * Interleaved bytes to normalised planes in `out`, mirrored left to right if `flip`. The planes are of the image's
 * size, or of that of `canvas`, whose upper left corner the image then fills and whose rest is left alone.
 */
export function normalise(
  { width, height, data }: Image,
  out: Float32Array,
  flip = false,
  canvas: Size = { width, height },
): void {
  const plane = canvas.width * canvas.height;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * (y * width + (flip ? width - 1 - x : x));
      const to = y * canvas.width + x;
      out[to] = NORMALISED[data[from]];
      out[plane + to] = NORMALISED[256 + data[from + 1]];
      out[2 * plane + to] = NORMALISED[512 + data[from + 2]];
    }
  }
}

/** Normalised planes [3, H, W] of one grey, 0 to 255. */
export function fillGrey(out: Float32Array, grey: number): void {
  const plane = out.length / 3;
  for (let c = 0; c < 3; c++) out.fill(NORMALISED[256 * c + grey], c * plane, (c + 1) * plane);
}

/** Normalised planes [3, H, W] back to interleaved bytes: the picture that the network saw. */
export function denormalise(planes: Float32Array, width: number, height: number): Image {
  const plane = width * height;
  const data = new Uint8Array(3 * plane);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < plane; i++) {
      const value = Math.round(planes[c * plane + i] * IMAGENET_STD[c] + IMAGENET_MEAN[c]);
      data[3 * i + c] = Math.min(255, Math.max(0, value));
    }
  }
  return { width, height, data };
}

export interface ViewOptions {
  /** Side of the square output, in pixels. */
  size: number;
  rule: ViewRule;
  random: RandomStream;
}

/**
 * Decodes one view of an image of a source into `out`: float32 [3, size, size], normalised with the ImageNet
 * statistics.
 * @throws InputError naming the image when it cannot be had or decoded
 */
export async function renderView(
  source: ImageSource,
  index: number,
  { size, rule, random }: ViewOptions,
  out: Float32Array,
): Promise<void> {
  const { decoder, white } = source;
  const [bytes, name] = [await source.read(index), source.name(index)];
  const { width, height } = await decoder.size(bytes, name);
  const { flip, ...region } = rule(width, height, random);
  normalise(await decoder.decode(bytes, name, { region, size, white }), out, flip);
}
