/** @file What the objects are made of: textures over a solid's own frame, in metres. */
import type { RandomStream } from "../core/random.js";
import { blend, cell, fbm2, fbm3, mix, noise2, noise3, octavesFor, paint, type Rgb, rgb, smoothstep } from "./noise.js";
import type { Material } from "./solids.js";

/** A number that sets one object's noise apart from another's. */
export const grainOf = (random: RandomStream) => random.integer(1 << 20);

export function pick<T>(random: RandomStream, choices: readonly T[]): T {
  return choices[random.integer(choices.length)];
}

const DIRT = rgb("#4a3d2c");
const WHITE = rgb("#f2f0ea");
const LAMPLIGHT = rgb("#c9a25c");
const PANE = rgb("#26323c");
const LICHEN = rgb("#5c6a3c");

/** One colour with slight mottling; `shine` 0 for matt, 1 for lacquer. */
export function plain(colour: Rgb, shine = 0.05, grain = 1): Material {
  return {
    shine,
    gloss: 12 + 90 * shine,
    mirror: 0.12 * shine,
    texture(x, y, z, footprint, out) {
      paint(out, colour, 1 + 0.12 * fbm3(6 * x, 6 * y, 6 * z, octavesFor(footprint, 6, 3), grain));
    },
  };
}

/** Window glass: dark, and a mirror of the sky. */
export const GLASS: Material = { ...plain(rgb("#11181c"), 1), gloss: 200, mirror: 0.45 };
export const RUBBER: Material = plain(rgb("#1b1b1c"), 0.08);
export const METAL: Material = { ...plain(rgb("#8d9096"), 0.7), mirror: 0.25 };

/** Boards along x, `width` high, with grain lines, gaps and knots. */
export function planks(colour: Rgb, width: number, grain: number): Material {
  const dark: Rgb = { r: colour.r * 0.45, g: colour.g * 0.4, b: colour.b * 0.35 };
  return {
    shine: 0.08,
    gloss: 20,
    texture(x, y, z, footprint, out) {
      // the board runs along the longer of the two horizontal axes that the face shows; y (or z on top) tells boards
      // apart
      const across = y + 0.37 * z;
      const along = x + 0.61 * z;
      const board = Math.floor(across / width);
      const tone = cell(board, 3, grain);
      const octaves = octavesFor(footprint, 9, 4);
      const rings = noise2(along * 1.3 + 9 * tone, across * 38, grain + board);
      paint(out, colour, 0.78 + 0.4 * tone + 0.22 * fbm2(2 * along, 30 * across, octaves, grain + board));
      blend(out, dark, 0.35 * smoothstep(0.35, 0.8, rings) * Math.min(1, octaves));
      const gap = Math.abs(across / width - board - 0.5);
      blend(out, dark, 0.85 * smoothstep(0.5 - Math.max(0.035, footprint / width), 0.5, gap));
    },
  };
}

/** Bands across the height: `colours` in turn, each `width` metres high, counted from `from`. */
export function bands(colours: readonly Rgb[], width: number, from: number, shine = 0.15, grain = 5): Material {
  return {
    shine,
    gloss: 30,
    texture(x, y, z, footprint, out) {
      const count = Math.floor((y - from) / width);
      paint(out, colours[((count % colours.length) + colours.length) % colours.length]);
      const worn = fbm3(9 * x, 9 * y, 9 * z, octavesFor(footprint, 9, 3), grain);
      blend(out, DIRT, 0.28 * smoothstep(0.1, 0.7, worn));
    },
  };
}

/** Wedges about the vertical axis, as on beach balls and parasols. */
export function wedges(colours: readonly Rgb[], count: number, shine: number): Material {
  return {
    shine,
    gloss: 60,
    mirror: 0.1 * shine,
    texture(x, y, z, _footprint, out) {
      const wedge = Math.floor((Math.atan2(z, x) / (2 * Math.PI) + 0.5) * count) % count;
      paint(out, colours[wedge % colours.length], 1 + 0.05 * noise3(4 * x, 4 * y, 4 * z, 3));
    },
  };
}

/** Round spots of a second colour on a ball of the given radius. */
export function spots(ground: Rgb, spot: Rgb, radius: number, grain: number): Material {
  return {
    shine: 0.35,
    gloss: 40,
    mirror: 0.03,
    texture(x, y, z, _footprint, out) {
      const k = 2.2 / radius;
      const wave = noise3(k * x, k * y, k * z, grain);
      paint(out, ground);
      blend(out, spot, smoothstep(0.16, 0.22, wave));
    },
  };
}

export function stone(colour: Rgb, moss: Rgb, grain: number): Material {
  return {
    bump: 0.55,
    bumpSize: 0.22,
    texture(x, y, z, footprint, out) {
      const rough = fbm3(2.5 * x, 2.5 * y, 2.5 * z, octavesFor(footprint, 2.5, 5), grain);
      paint(out, colour, 1 + 0.7 * rough);
      const growth = fbm3(1.3 * x, 1.3 * y + 5, 1.3 * z, octavesFor(footprint, 1.3, 3), grain + 9);
      blend(out, moss, 0.75 * smoothstep(0.08, 0.4, growth + 0.25 * y), 0.9 + 0.4 * rough);
    },
  };
}

export function leaves(colour: Rgb, size: number, grain: number): Material {
  const young: Rgb = { r: colour.r * 1.9, g: colour.g * 1.55, b: colour.b * 1.1 };
  return {
    bump: 1.1,
    bumpSize: size,
    fuzz: size,
    shine: 0.04,
    gloss: 8,
    texture(x, y, z, footprint, out) {
      const k = 1 / size;
      const leaf = fbm3(k * x, k * y, k * z, octavesFor(footprint, k, 3), grain);
      paint(out, colour, 0.75 + 0.65 * leaf);
      blend(out, young, 0.55 * smoothstep(0, 0.6, leaf + 0.4 * noise3(x, y, z, grain + 4)));
    },
  };
}

export function wool(colour: Rgb, grain: number): Material {
  return {
    bump: 0.7,
    bumpSize: 0.09,
    fuzz: 0.05,
    texture(x, y, z, footprint, out) {
      const curl = fbm3(14 * x, 14 * y, 14 * z, octavesFor(footprint, 14, 3), grain);
      paint(out, colour, 0.9 + 0.3 * curl);
      blend(out, DIRT, 0.3 * smoothstep(0.15, -0.35, y + 0.2 * curl));
    },
  };
}

export function bark(grain: number): Material {
  const brown = rgb("#5a4632");
  return {
    bump: 0.8,
    bumpSize: 0.08,
    texture(x, y, z, footprint, out) {
      const turn = Math.atan2(z, x);
      paint(out, brown, 0.85 + 0.6 * fbm2(5 * turn, 1.6 * y, octavesFor(footprint, 8, 4), grain));
    },
  };
}

/** Rendered or brick outer walls. `brick` undefined for plaster. */
export function masonry(colour: Rgb, grain: number, brick?: { width: number; height: number }): Material {
  const mortar = rgb("#a39c90");
  return {
    bump: 0.08,
    bumpSize: 0.1,
    texture(x, y, z, footprint, out) {
      const along = x + z;
      const stain = fbm2(0.8 * along, 0.5 * y, octavesFor(footprint, 0.8, 5), grain);
      if (brick) {
        const row = Math.floor(y / brick.height);
        const column = along / brick.width + 0.5 * (row & 1);
        paint(out, colour, 0.75 + 0.5 * cell(column, row, grain));
        const [u, v] = [Math.abs(column - Math.floor(column) - 0.5), Math.abs(y / brick.height - row - 0.5)];
        const joint = Math.max(smoothstep(0.45, 0.48, u), smoothstep(0.38, 0.46, v));
        blend(out, mortar, joint * 0.9);
        // bricks narrower than a pixel melt into their mean
        blend(out, colour, smoothstep(0.25, 0.6, footprint / brick.height), 0.95);
      } else paint(out, colour);
      const gain = 1 + 0.25 * stain;
      paint(out, out, gain);
      blend(out, DIRT, 0.25 * smoothstep(0.8, 0, y + 0.5 * stain) * smoothstep(-1, 0.5, stain));
    },
  };
}

/** A street front: storeys of windows in a wall. The frame's origin is the foot's centre. */
export function facade(wall: Rgb, storey: number, bay: number, grain: number): Material {
  const frame = rgb("#d8d2c6");
  const base = masonry(wall, grain);
  return {
    ...base,
    shine: 0.25,
    gloss: 60,
    texture(x, y, z, footprint, out) {
      base.texture(x, y, z, footprint, out);
      const [u, v] = [(x + z) / bay, (y - 0.3) / storey];
      const [fu, fv] = [Math.abs(u - Math.floor(u) - 0.5), v - Math.floor(v)];
      if (v < 0 || fu > 0.3 || fv < 0.25 || fv > 0.85) return;
      if (fu > 0.25 || fv < 0.3 || fv > 0.8 || fu < 0.02 || Math.abs(fv - 0.6) < 0.02) return paint(out, frame);
      const lit = cell(u, v, grain);
      paint(out, lit > 0.86 ? LAMPLIGHT : PANE, mix(0.5, 1.5, cell(u, v, grain + 1)));
      if (cell(u, v, grain + 2) > 0.5 && fv > 0.55) blend(out, WHITE, 0.6); // a blind
    },
  };
}

export function tiles(colour: Rgb, grain: number): Material {
  return {
    bump: 0.2,
    bumpSize: 0.15,
    texture(x, y, z, footprint, out) {
      const row = Math.floor(y / 0.22);
      const column = Math.floor((x + z) / 0.25 + 0.5 * (row & 1));
      const seen = smoothstep(0.4, 0.1, footprint / 0.22);
      paint(out, colour, 0.9 + 0.4 * seen * (cell(column, row, grain) - 0.5));
      const edge = y / 0.22 - row;
      blend(out, DIRT, 0.6 * seen * smoothstep(0.25, 0, edge));
      blend(out, LICHEN, 0.3 * smoothstep(0.2, 0.6, fbm3(x, y, z, octavesFor(footprint, 1, 4), grain)));
    },
  };
}
