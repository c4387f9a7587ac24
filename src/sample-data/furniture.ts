/**
 * @file Things that stand indoors and out: balls, crates, parasols, tables, chairs, vases; and the street's buildings.
 */
import type { RandomStream } from "../core/random.js";
import type { ThingName } from "./classes.js";
import { bands, facade, grainOf, pick, plain, planks, spots, wedges } from "./materials.js";
import { type Rgb, rgb } from "./noise.js";
import { box, ellipsoid, frustum, rotation, type Solid } from "./solids.js";
import { type Builder, OUTDOOR } from "./things.js";

const BRIGHT = ["#c4202c", "#e8b21e", "#1f5fae", "#1f8a4c", "#e36a1c", "#7a3fa0", "#e89ab0", "#12918f"];
const WOOD = ["#8a5a30", "#6b4526", "#a87a48", "#b98f5c", "#4f3524"];
const WHITE = rgb("#efece4");

const bright = (random: RandomStream): Rgb => rgb(pick(random, BRIGHT));
const timber = (random: RandomStream, width: number) => planks(rgb(pick(random, WOOD)), width, grainOf(random));

const ball: Builder = (random) => {
  const radius = random.uniform(0.14, 0.42);
  const colour = bright(random);
  const material = pick(random, [
    wedges([colour, WHITE, bright(random), WHITE], 8, 0.6),
    spots(WHITE, rgb("#1a1a1c"), radius, grainOf(random)),
    plain(colour, 0.7),
    bands([colour, WHITE], radius * 0.4, -radius * 0.2, 0.4),
    spots(colour, bright(random), radius, grainOf(random)),
  ]);
  const turn = rotation(random.uniform(0, 6), random.uniform(0, 3));
  return [ellipsoid([0, radius, 0], [radius, radius, radius], material, turn)];
};

const crate: Builder = (random) => {
  const [w, h, d] = [random.uniform(0.5, 1), random.uniform(0.4, 0.9), random.uniform(0.5, 0.9)];
  const [boards, edge] = [timber(random, h / 4), timber(random, 1)];
  const bar = 0.08;
  const solids = [box([0, h / 2, 0], [w, h, d], boards)];
  for (const x of [-1, 1]) {
    for (const z of [-1, 1]) solids.push(box([(x * w) / 2, h / 2, (z * d) / 2], [bar, h + 0.04, bar], edge));
    for (const y of [bar / 2, h - bar / 2]) {
      solids.push(
        box([0, y, (x * d) / 2], [w, bar, bar / 1.5], edge),
        box([(x * w) / 2, y, 0], [bar / 1.5, bar, d], edge),
      );
    }
  }
  return solids;
};

const parasol: Builder = (random) => {
  const height = random.uniform(2, 2.5);
  const lean = rotation(random.uniform(0, 6), random.uniform(-0.15, 0.15));
  const cloth = wedges([bright(random), WHITE, bright(random), WHITE], 8, 0.08);
  return [
    frustum([0, 0, 0], [0.035, 0.03, height], plain(rgb("#d8d0c0"), 0.3)),
    frustum([0, height - 0.45, 0], [1.3, 0.06, 0.5], cloth, lean),
    ellipsoid([0, height + 0.06, 0], [0.05, 0.05, 0.05], plain(WHITE, 0.3)),
  ];
};

const table: Builder = (random) => {
  const [w, d, h] = [random.uniform(1.1, 1.8), random.uniform(0.7, 1), random.uniform(0.65, 0.78)];
  const wood = timber(random, 0.16);
  const top = { ...wood, shine: 0.35, gloss: 40, mirror: 0.05 };
  const solids = [box([0, h, 0], [w, 0.06, d], top), box([0, h - 0.08, 0], [w - 0.16, 0.1, d - 0.16], wood)];
  for (const x of [-1, 1]) {
    for (const z of [-1, 1]) solids.push(frustum([x * (w / 2 - 0.1), 0, z * (d / 2 - 0.1)], [0.03, 0.045, h], wood));
  }
  return solids;
};

const chair: Builder = (random) => {
  const wood = random.uniform() < 0.6 ? timber(random, 0.12) : plain(bright(random), 0.35);
  const [w, seat, back] = [0.46, 0.46, random.uniform(0.85, 1.05)];
  const solids = [box([0, seat, 0], [w, 0.05, w], wood)];
  for (const x of [-1, 1]) {
    for (const z of [-1, 1]) {
      const tall = z > 0 ? back : seat;
      solids.push(frustum([x * (w / 2 - 0.03), 0, z * (w / 2 - 0.03)], [0.022, 0.026, tall], wood));
    }
  }
  for (const y of [0.62, 0.76, back - 0.03]) solids.push(box([0, y, w / 2 - 0.03], [w - 0.04, 0.07, 0.03], wood));
  return solids;
};

/** A turned profile in ten slices: foot, belly, neck, lip. */
const vase: Builder = (random) => {
  const height = random.uniform(0.3, 0.7);
  const [foot, belly, neck, lip] = [0.55, 1, random.uniform(0.25, 0.5), random.uniform(0.4, 0.7)];
  const width = height * random.uniform(0.24, 0.36);
  const swell = random.uniform(0.3, 0.55); // height of the widest place
  const radius = (s: number) => {
    if (s < swell) return width * (foot + (belly - foot) * Math.sin(((s / swell) * Math.PI) / 2));
    const rest = (s - swell) / (1 - swell);
    const waist = belly + (neck - belly) * Math.sin((Math.min(1, rest / 0.75) * Math.PI) / 2) ** 2;
    return width * (waist + (lip - neck) * Math.max(0, (rest - 0.75) / 0.25) ** 1.5);
  };
  const glaze = bright(random);
  const base = pick(random, [
    () => plain(glaze, 0.8),
    () => bands([glaze, WHITE, glaze, rgb("#2a2a30")], height / 9, 0, 0.7),
    () => plain(rgb("#a65a34"), 0.2),
    () => plain(rgb("#e4e0d6"), 0.8),
  ])();
  const slices = 14;
  return Array.from({ length: slices }, (_, i) => {
    const low = (height * i) / slices;
    // the texture counts height from the vase's foot, not from the slice's
    const texture: typeof base.texture = (x, y, z, footprint, out) => base.texture(x, y + low, z, footprint, out);
    const size = [radius(i / slices), radius((i + 1) / slices), height / slices + 1e-4] as const;
    return frustum([0, low, 0], size, { ...base, texture });
  });
};

/** A terraced house front, `width` wide along x; stuff, not a thing. */
export function building(random: RandomStream, width: number): Solid[] {
  const storeys = 2 + random.integer(4);
  const storey = random.uniform(2.8, 3.3);
  const [h, d] = [storeys * storey + 0.8, 8];
  const wall = rgb(pick(random, ["#a88468", "#8c5a48", "#c8b89a", "#9aa0a0", "#b5996e", "#7f7468", "#c9a088"]));
  const front = facade(wall, storey, width / (2 + random.integer(3)), grainOf(random));
  const texture: typeof front.texture = (x, y, z, footprint, out) => front.texture(x, y + h / 2, z, footprint, out);
  const cornice = plain(rgb("#b8b0a2"), 0.05);
  return [
    box([0, h / 2, 0], [width, h, d], { ...front, texture }),
    box([0, h, 0], [width + 0.2, 0.35, d + 0.5], cornice),
    box([0, 0.3, 0], [width + 0.05, 0.6, d + 0.15], plain(rgb("#6f6a64"), 0.05)),
  ];
}

/** One builder for every class of thing. */
export const THINGS: Record<ThingName, Builder> = { ...OUTDOOR, ball, crate, parasol, table, chair, vase };
