/** @file Colours and value noise for textures. All noise is a pure function of its coordinates and a seed. */

/** Linear light, 1 = white paper in full light; reused as an output argument in inner loops. */
export interface Rgb {
  r: number;
  g: number;
  b: number;
}

/** Linear colour of an sRGB code such as "#3b7d2a". */
export function rgb(code: string): Rgb {
  const channel = (at: number) => {
    const v = Number.parseInt(code.slice(at, at + 2), 16) / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  };
  return { r: channel(1), g: channel(3), b: channel(5) };
}

/** out = colour * gain */
export function paint(out: Rgb, colour: Rgb, gain = 1): void {
  out.r = colour.r * gain;
  out.g = colour.g * gain;
  out.b = colour.b * gain;
}

/** out = out * (1 - share) + colour * share * gain */
export function blend(out: Rgb, colour: Rgb, share: number, gain = 1): void {
  out.r += (colour.r * gain - out.r) * share;
  out.g += (colour.g * gain - out.g) * share;
  out.b += (colour.b * gain - out.b) * share;
}

export const clamp = (x: number, low: number, high: number) => Math.max(low, Math.min(high, x));
export const mix = (a: number, b: number, share: number) => a + (b - a) * share;

/** 0 below `from`, 1 above `to`, smooth between; `from` may exceed `to`. */
export function smoothstep(from: number, to: number, x: number): number {
  const s = clamp((x - from) / (to - from), 0, 1);
  return s * s * (3 - 2 * s);
}

/** A well-mixed signed 32-bit integer of three lattice coordinates (murmur3's finaliser). */
export function hash(x: number, y: number, z: number, seed: number): number {
  let h = Math.imul(x, 0x27d4eb2d) ^ Math.imul(y, 0x165667b1) ^ Math.imul(z, 0x9e3779b1) ^ Math.imul(seed, 0x85ebca77);
  h = Math.imul(h ^ (h >>> 15), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** Uniform in [0, 1), constant within a unit cell. */
export function cell(x: number, y: number, seed: number): number {
  return hash(Math.floor(x), Math.floor(y), 0, seed) / 2 ** 32 + 0.5;
}

const corner = (x: number, y: number, z: number, seed: number) => hash(x, y, z, seed) / 2 ** 31;

const ease = (s: number) => s * s * (3 - 2 * s);

/** Value noise in the plane, -1 to 1, features of size 1. */
export function noise2(x: number, y: number, seed: number): number {
  const i = Math.floor(x);
  const j = Math.floor(y);
  const su = ease(x - i);
  const sv = ease(y - j);
  const near = mix(corner(i, j, 0, seed), corner(i + 1, j, 0, seed), su);
  const far = mix(corner(i, j + 1, 0, seed), corner(i + 1, j + 1, 0, seed), su);
  return mix(near, far, sv);
}

function layer(i: number, j: number, k: number, su: number, sv: number, seed: number): number {
  const near = mix(corner(i, j, k, seed), corner(i + 1, j, k, seed), su);
  return mix(near, mix(corner(i, j + 1, k, seed), corner(i + 1, j + 1, k, seed), su), sv);
}

/** Value noise in space, -1 to 1, features of size 1. */
export function noise3(x: number, y: number, z: number, seed: number): number {
  const i = Math.floor(x);
  const j = Math.floor(y);
  const k = Math.floor(z);
  const su = ease(x - i);
  const sv = ease(y - j);
  return mix(layer(i, j, k, su, sv, seed), layer(i, j, k + 1, su, sv, seed), ease(z - k));
}

/**
 * Octaves of noise of base frequency `frequency` that a pixel of width `footprint` can still show: those with features
 * wider than two pixels. The fractional part fades the last one, so that textures do not flicker or alias with
 * distance.
 */
export function octavesFor(footprint: number, frequency: number, most: number): number {
  return clamp(1 - Math.log2(2 * footprint * frequency), 0, most);
}

/** Fractal sum of noise2, each octave half as high and half as wide; about -1 to 1. */
export function fbm2(x: number, y: number, octaves: number, seed: number): number {
  let sum = 0;
  let height = 0.55;
  for (let i = 0; i < octaves; i++) {
    sum += height * Math.min(1, octaves - i) * noise2(x, y, seed + i);
    height /= 2;
    // a turn of the lattice between octaves hides its axes
    const turned = 1.6 * x + 1.2 * y;
    y = 1.6 * y - 1.2 * x;
    x = turned;
  }
  return sum;
}

/** Fractal sum of noise3. */
export function fbm3(x: number, y: number, z: number, octaves: number, seed: number): number {
  let sum = 0;
  let height = 0.55;
  for (let i = 0; i < octaves; i++) {
    sum += height * Math.min(1, octaves - i) * noise3(x, y, z, seed + i);
    height /= 2;
    const turned = 1.6 * x + 1.2 * z;
    z = 1.6 * z - 1.2 * x;
    y = 2 * y + 17.3;
    x = turned;
  }
  return sum;
}
