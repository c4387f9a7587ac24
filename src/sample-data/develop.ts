/** @file From light to a photograph: depth of field, exposure, vignette, tone curve and sensor noise. */
import type { Image } from "../core/image.js";
import { clamp, hash } from "./noise.js";

export interface Exposure {
  /** Linear light, interleaved RGB, size * size pixels. */
  readonly light: Float32Array;
  /** Metres. */
  readonly distance: Float32Array;
  readonly size: number;
}

export interface Film {
  readonly focus: number;
  /** Blur of a point at infinity, as a share of the image's side. */
  readonly blur: number;
  readonly grain: number;
}

const TAPS = Array.from({ length: 12 }, (_, i) => {
  const [radius, turn] = [Math.sqrt((i + 0.5) / 12), 2.39996 * i]; // a sunflower's spiral fills the disc evenly
  return [radius * Math.cos(turn), radius * Math.sin(turn)] as const;
});

/**
 * Radius of the disc, in pixels, that a point at each distance becomes: ~ |1 - focus / distance|, at most as at
 * infinity.
 */
function discs({ distance, size }: Exposure, { focus, blur }: Film): Float32Array {
  return distance.map((metres) => blur * size * Math.min(1, Math.abs(1 - focus / metres)));
}

/** Blurs each pixel over its disc; sharp things in front keep their edges. */
function defocus(exposure: Exposure, film: Film): Float32Array {
  const { light, distance, size } = exposure;
  const radius = discs(exposure, film);
  const out = Float32Array.from(light);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const at = y * size + x;
      if (radius[at] < 0.6) continue;
      let weight = 1;
      for (const [u, v] of TAPS) {
        const px = clamp(Math.round(x + radius[at] * u), 0, size - 1);
        const py = clamp(Math.round(y + radius[at] * v), 0, size - 1);
        const from = py * size + px;
        const share = distance[from] < distance[at] - 0.2 ? Math.min(1, radius[from] / radius[at]) : 1;
        weight += share;
        for (let c = 0; c < 3; c++) out[3 * at + c] += share * light[3 * from + c];
      }
      for (let c = 0; c < 3; c++) out[3 * at + c] /= weight;
    }
  }
  return out;
}

/** The gain that brings the picture's mean logarithmic luminance to middle grey. */
function meter(light: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < light.length; i += 3) {
    sum += Math.log(1e-3 + 0.2126 * light[i] + 0.7152 * light[i + 1] + 0.0722 * light[i + 2]);
  }
  return 0.25 / Math.exp(sum / (light.length / 3));
}

/** Linear light to a display value, 0 to 1: a film-like shoulder, then the sRGB curve. */
function tone(light: number): number {
  const x = 0.72 * light;
  const y = clamp((x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14), 0, 1); // Narkowicz's fit of the ACES curve
  return y <= 0.0031308 ? 12.92 * y : 1.055 * y ** (1 / 2.4) - 0.055;
}

/** Develops the exposure; `film.grain` seeds the noise. */
export function develop(exposure: Exposure, film: Film): Image {
  const { size } = exposure;
  const light = defocus(exposure, film);
  const gain = clamp(meter(light), 0.25, 4);
  const data = new Uint8Array(3 * size * size);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [u, v] = [(2 * x + 1) / size - 1, (2 * y + 1) / size - 1];
      const vignette = 1 / (1 + 0.16 * (u * u + v * v)) ** 2;
      for (let c = 0; c < 3; c++) {
        const at = 3 * (y * size + x) + c;
        const value = tone(gain * vignette * light[at]);
        const word = hash(x, y, c, film.grain);
        const noise = ((word & 0xffff) + (word >>> 16)) / 65536 - 1; // triangular, -1 to 1
        data[at] = clamp(Math.round(255 * value + noise * (2 + 5 * (1 - value) * value)), 0, 255);
      }
    }
  }
  return { width: size, height: size, data };
}
