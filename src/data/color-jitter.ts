/**
 * @file SSD's colour jitter on 8-bit RGB (Liu et al., ECCV 2016; detectron2's color_augmentation.py), with the rounding
 * of the usual implementation: arithmetic in float32, values truncated to bytes after each step, OpenCV's 8-bit HSV.
 */
import type { Image } from "../core/image.js";
import type { RandomStream } from "../core/random.js";

export interface ColorJitter {
  /** Added to every value. */
  readonly brightness?: number;
  /** Multiplies every value. */
  readonly contrast?: number;
  /** Multiplies the saturation. */
  readonly saturation?: number;
  /** Turns the hue, in steps of 2 degrees (a whole number). */
  readonly hue?: number;
  /** Whether contrast comes before saturation and hue, or after them. */
  readonly contrastFirst: boolean;
}

/**
 * Each change with probability 1/2: brightness + U(-32, 32), contrast and saturation x U(0.5, 1.5), hue +- 18 steps.
 */
export function drawColorJitter(random: RandomStream): ColorJitter {
  const half = () => random.uniform() < 0.5;
  return {
    brightness: half() ? random.uniform(-32, 32) : undefined,
    contrastFirst: half(),
    contrast: half() ? random.uniform(0.5, 1.5) : undefined,
    saturation: half() ? random.uniform(0.5, 1.5) : undefined,
    hue: half() ? random.integer(37) - 18 : undefined,
  };
}

const { fround } = Math;

/** What becomes of each byte: trunc(clip(value * factor + offset)). */
function byteTable(factor: number, offset: number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, value) => {
    const changed = fround(fround(value * fround(factor)) + fround(offset));
    return Math.min(255, Math.max(0, changed));
  });
}

function applyTable(table: Uint8Array, data: Uint8Array): void {
  for (let i = 0; i < data.length; i++) data[i] = table[data[i]];
}

/** Hues are steps of 2 degrees: 0 to 179. */
const HUES = 180;
const SHIFT = 12;
/** 2^12 * 255 / v, and 2^12 * 30 / difference: divisions as tables. */
const SATURATION_TABLE = Int32Array.from({ length: 256 }, (_, v) => (v ? Math.round((255 << SHIFT) / v) : 0));
const HUE_TABLE = Int32Array.from({ length: 256 }, (_, d) => (d ? Math.round((HUES << SHIFT) / (6 * d)) : 0));

/** Hue, saturation and value as OpenCV's bytes, packed as h << 16 | s << 8 | v. */
function toHsv(r: number, g: number, b: number): number {
  const value = Math.max(r, g, b);
  const difference = value - Math.min(r, g, b);
  const saturation = (difference * SATURATION_TABLE[value] + (1 << (SHIFT - 1))) >> SHIFT;
  const sector = value === r ? g - b : value === g ? b - r + 2 * difference : r - g + 4 * difference;
  const hue = (sector * HUE_TABLE[difference] + (1 << (SHIFT - 1))) >> SHIFT;
  return ((hue < 0 ? hue + HUES : hue) << 16) | (saturation << 8) | value;
}

const ONE_255TH = fround(1 / 255);

/**
 * Truncates: OpenCV's vector code does, by which nearly every pixel goes (its scalar code, for the end of a row,
 * rounds).
 */
function toByte(unit: number): number {
  return fround(unit * 255) | 0;
}

// hue -> sector 0 to 5 of the colour wheel, and the place within it
const SECTOR = new Uint8Array(HUES);
const WITHIN = new Float32Array(HUES);
for (let hue = 0; hue < HUES; hue++) {
  const turned = fround(hue * fround(6 / HUES));
  SECTOR[hue] = Math.trunc(turned);
  WITHIN[hue] = turned - Math.trunc(turned);
}

/** OpenCV's bytes back to RGB at `data[at]`. */
function fromHsv(hue: number, saturation: number, value: number, data: Uint8Array, at: number): void {
  const s = fround(saturation * ONE_255TH);
  const v = fround(value * ONE_255TH);
  const h = WITHIN[hue];
  const high = toByte(v);
  const low = toByte(fround(v * fround(1 - s)));
  const falling = toByte(fround(v * fround(1 - fround(s * h))));
  const rising = toByte(fround(v * fround(1 - fround(s * fround(1 - h)))));
  const sector = SECTOR[hue];
  let [r, g, b] = [high, rising, low];
  if (sector === 1) [r, g, b] = [falling, high, low];
  else if (sector === 2) [r, g, b] = [low, high, rising];
  else if (sector === 3) [r, g, b] = [low, falling, high];
  else if (sector === 4) [r, g, b] = [rising, low, high];
  else if (sector === 5) [r, g, b] = [high, low, falling];
  data[at] = r;
  data[at + 1] = g;
  data[at + 2] = b;
}

/** There and back through HSV: the saturation goes through a table, the hue turns by 0 to 179 steps. */
function throughHsv(data: Uint8Array, saturations: Uint8Array, turn: number): void {
  for (let i = 0; i < data.length; i += 3) {
    const hsv = toHsv(data[i], data[i + 1], data[i + 2]);
    const hue = ((hsv >> 16) + turn) % HUES;
    fromHsv(hue, saturations[(hsv >> 8) & 255], hsv & 255, data, i);
  }
}

const UNCHANGED = byteTable(1, 0);

/** Changes the colours of an image in place. */
export function jitterColors({ data }: Image, jitter: ColorJitter): void {
  const { brightness, contrast, saturation, hue, contrastFirst } = jitter;
  const applyContrast = () => contrast !== undefined && applyTable(byteTable(contrast, 0), data);
  if (brightness !== undefined) applyTable(byteTable(1, brightness), data);
  if (contrastFirst) applyContrast();
  // Two trips where both change: the bytes between them round.
  if (saturation !== undefined) throughHsv(data, byteTable(saturation, 0), 0);
  if (hue !== undefined) throughHsv(data, UNCHANGED, (hue + HUES) % HUES);
  if (!contrastFirst) applyContrast();
}
