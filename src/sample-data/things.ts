/** @file The things of outdoor scenes, built of solids around an origin on the ground; each call makes another one. */
import type { RandomStream } from "../core/random.js";
import {
  bands,
  bark,
  GLASS,
  grainOf,
  leaves,
  METAL,
  masonry,
  pick,
  plain,
  planks,
  RUBBER,
  stone,
  tiles,
  wool,
} from "./materials.js";
import { rgb } from "./noise.js";
import { box, convex, ellipsoid, frustum, rotation, type Solid, type Vec } from "./solids.js";

export type Builder = (random: RandomStream) => Solid[];

const AXLE = rotation(0, 0, Math.PI / 2);

function broadleaf(random: RandomStream): Solid[] {
  const height = random.uniform(4, 7.5);
  const grain = grainOf(random);
  const green = rgb(pick(random, ["#39591f", "#44651f", "#2f5126", "#59691d", "#7a5a1c"]));
  const foliage = leaves(green, random.uniform(0.22, 0.34), grain);
  const spread = height * random.uniform(0.24, 0.32);
  const solids = [frustum([0, 0, 0], [0.05 * height, 0.025 * height, 0.62 * height], bark(grain))];
  const clumps = 15;
  for (let i = 0; i < clumps; i++) {
    const turn = 2.4 * i + random.uniform(-0.5, 0.5); // golden angle
    const level = i / (clumps - 1);
    const out = spread * Math.sin(Math.PI * (0.3 + 0.65 * level)) * random.uniform(0.6, 1);
    const radius = spread * random.uniform(0.36, 0.6) * (1 - 0.2 * level);
    const at: Vec = [out * Math.cos(turn), height * (0.46 + 0.46 * level), out * Math.sin(turn)];
    solids.push(ellipsoid(at, [radius, radius * random.uniform(0.7, 0.95), radius], foliage));
  }
  return solids;
}

function conifer(random: RandomStream): Solid[] {
  const height = random.uniform(4, 8);
  const grain = grainOf(random);
  const foliage = leaves(rgb(pick(random, ["#22401f", "#2a4a2c", "#2d4a22"])), 0.2, grain);
  const solids = [frustum([0, 0, 0], [0.035 * height, 0.02 * height, 0.4 * height], bark(grain))];
  const tiers = 5;
  for (let i = 0; i < tiers; i++) {
    const low = height * (0.12 + (0.72 * i) / tiers);
    const radius = height * 0.24 * (1 - i / (tiers + 0.6)) * random.uniform(0.9, 1.1);
    solids.push(frustum([0, low, 0], [radius, 0.02, height * 0.34 * (1 - 0.07 * i)], foliage));
  }
  return solids;
}

const tree: Builder = (random) => (random.uniform() < 0.65 ? broadleaf(random) : conifer(random));

const rock: Builder = (random) => {
  const radius = random.uniform(0.35, 1.1);
  const flat = random.uniform(0.55, 0.9);
  const faces = Array.from({ length: 18 }, () => {
    const [x, y, z] = [random.normal(), random.normal(), random.normal()];
    const length = Math.hypot(x, y, z);
    return [x / length, y / length / flat, z / length, radius * random.uniform(0.68, 0.95)] as const;
  });
  const grey = rgb(pick(random, ["#77726a", "#8a8176", "#6a6c6e", "#8d7a66"]));
  const bounds = [
    [0, 1, 0, radius * flat],
    [0, -1, 0, radius],
    [1, 0, 0, radius],
    [-1, 0, 0, radius],
    [0, 0, 1, radius],
    [0, 0, -1, radius],
  ] as const;
  const moss = stone(grey, rgb("#4d5a2a"), grainOf(random));
  return [convex([0, 0.35 * radius, 0], [...faces, ...bounds], 1.7 * radius, moss, rotation(random.uniform(0, 6)))];
};

const house: Builder = (random) => {
  const [w, d, h] = [random.uniform(4.5, 7), random.uniform(4, 6), random.uniform(2.4, 3.4)];
  const grain = grainOf(random);
  const brick = random.uniform() < 0.5 ? { width: 0.42, height: 0.16 } : undefined;
  const wall = masonry(
    rgb(brick ? pick(random, ["#8f4a38", "#a0604a"]) : pick(random, ["#d9cdb4", "#c9b08a", "#b8c0c0"])),
    grain,
    brick,
  );
  const roof = tiles(rgb(pick(random, ["#7d3a28", "#5a4a44", "#8a5038", "#4c4f56"])), grain);
  const frame = plain(rgb("#e6e2d8"), 0.1);
  const rise = random.uniform(1.4, 2.4);
  const steep: Vec = [0, w / 2, rise]; // normal of a slope: (+-rise, w / 2)
  const slope = (side: number, outset: number) =>
    [side * steep[2], steep[1], 0, (rise * w) / 2 + outset * w * 0.5] as const;
  const gable = [slope(1, 0), slope(-1, 0), [0, -1, 0, 0], [0, 0, 1, d / 2], [0, 0, -1, d / 2]] as const;
  const cover = [
    slope(1, 0.16),
    slope(-1, 0.16),
    [0, -1, 0, 0.18],
    [0, 0, 1, d / 2 + 0.3],
    [0, 0, -1, d / 2 + 0.3],
  ] as const;
  const reach = Math.hypot(w, d, rise) * 0.75;
  const solids = [
    box([0, h / 2, 0], [w, h, d], wall),
    convex([0, h, 0], gable, reach, wall),
    convex([0, h + 0.2, 0], [...cover, [1, 0, 0, w / 2 + 0.35], [-1, 0, 0, w / 2 + 0.35]], reach + 1, roof),
    box(
      [w * 0.22, h + rise * 0.75, d * 0.15],
      [0.6, rise * 1.1, 0.6],
      masonry(rgb("#8a4a3a"), grain, { width: 0.3, height: 0.12 }),
    ),
    box(
      [0, 1, -d / 2],
      [1, 2, 0.08],
      planks(rgb(pick(random, ["#5a3a22", "#2e4a5a", "#3d5a3a", "#7a2a24"])), 0.2, grain),
    ),
  ];
  for (const x of [-0.3, 0.3]) {
    solids.push(
      box([x * w, 1.45, -d / 2], [1.1, 1.1, 0.1], frame),
      box([x * w, 1.45, -d / 2 - 0.02], [0.9, 0.9, 0.1], GLASS),
    );
  }
  for (const [side, z] of [-1, 1].flatMap((s) => [-0.22, 0.22].map((at) => [s, at * d]))) {
    solids.push(
      box([(side * w) / 2, 1.45, z], [0.1, 1.1, 1.1], frame),
      box([(side * w) / 2, 1.45, z], [0.14, 0.9, 0.9], GLASS),
    );
  }
  return solids;
};

/** Cars point along z. */
const car: Builder = (random) => {
  const paint = rgb(
    pick(random, ["#a3161a", "#1d3f7a", "#c8c9c6", "#22252a", "#d9d4c4", "#356046", "#c98a1c", "#5b7f99"]),
  );
  const body = { ...plain(paint, 0.9), mirror: 0.16 };
  const [half, wide] = [random.uniform(1.9, 2.2), 0.86];
  const roofline = random.uniform(0.5, 0.66);
  const back = random.uniform(0.25, 0.9); // slant of the rear window
  const lower = [
    [1, 0.12, 0, wide],
    [-1, 0.12, 0, wide],
    [0, 1, 0.1, 0.36],
    [0, 1, -0.06, 0.36],
    [0, -1, 0, 0.3],
    [0, 0.25, 1, half],
    [0, 0.18, -1, half],
  ] as const;
  const cabin = [
    [1, 0.32, 0, wide - 0.04],
    [-1, 0.32, 0, wide - 0.04],
    [0, 1, 0, roofline],
    [0, -1, 0, 0],
    [0, 0.95, 1, 0.95],
    [0, back, -1, 1.35],
  ] as const;
  const roof = cabin.map(
    ([nx, ny, nz, o]) => [nx, ny, nz, ny === 1 ? o + 0.03 : ny === -1 ? -roofline + 0.05 : o - 0.02] as const,
  );
  const solids = [
    convex([0, 0.62, 0], lower, 2.6, body),
    convex([0, 0.93, 0], cabin, 2, GLASS),
    convex([0, 0.93, 0], roof, 2, body),
    box([0, 0.42, 0], [2 * wide - 0.1, 0.16, 2 * half - 0.1], RUBBER),
  ];
  for (const x of [-wide - 0.02, wide - 0.2]) {
    for (const z of [-0.62 * half, 0.62 * half]) {
      solids.push(frustum([x + 0.22, 0.33, z], [0.33, 0.33, 0.22], RUBBER, AXLE));
      solids.push(frustum([x + 0.23, 0.33, z], [0.19, 0.19, 0.24], METAL, AXLE));
    }
    const side = Math.sign(x) * 0.6;
    solids.push(ellipsoid([side, 0.66, half - 0.1], [0.16, 0.09, 0.1], plain(rgb("#f4f0dc"), 0.9)));
    solids.push(box([side, 0.7, -half + 0.08], [0.3, 0.12, 0.1], plain(rgb("#a01212"), 0.8)));
  }
  return solids;
};

const boat: Builder = (random) => {
  const half = random.uniform(1.8, 2.8);
  const paint = plain(rgb(pick(random, ["#e8e6de", "#26466e", "#8c2222", "#2f5d50"])), 0.5);
  const hull = [
    [1, -0.5, 0.22, 0.62],
    [-1, -0.5, 0.22, 0.62],
    [0.75, -0.3, 0.6, 0.68 * half],
    [-0.75, -0.3, 0.6, 0.68 * half],
    [0, 1, 0, 0.55],
    [0, -1, 0, 0.3],
    [0, -0.2, -1, half],
    [0, -0.5, 1, half],
  ] as const;
  const mast = random.uniform(3.6, 5);
  const cloth = plain(rgb(pick(random, ["#f4f0e4", "#f4f0e4", "#d8642c", "#c9d4dc"])), 0.05);
  const sail = [
    [1, 0, 0, 0.02],
    [-1, 0, 0, 0.02],
    [0, -1, 0, -1],
    [0, 0, 1, -0.08],
    [0, 0.42, -1, 0.42 * mast - 0.1],
  ] as const;
  return [
    convex([0, 0, 0], hull, half + 0.9, paint),
    box([0, 0.56, -0.2], [0.9, 0.05, 1.6], planks(rgb("#9a7448"), 0.15, 3)),
    frustum([0, 0.4, 0.3], [0.05, 0.03, mast], planks(rgb("#8a6238"), 0.3, 4)),
    convex([0, 0.2, 0.3], sail, mast + 0.6, cloth, rotation(random.uniform(-0.5, 0.5))),
  ];
};

const cone: Builder = (random) => {
  const height = random.uniform(0.6, 0.9);
  const [orange, white] = [rgb("#e2500f"), rgb("#ece9e2")];
  return [
    frustum([0, 0.05, 0], [0.21, 0.03, height], bands([orange, orange, white], height / 5, 0, 0.25, grainOf(random))),
    box([0, 0.03, 0], [0.56, 0.06, 0.56], plain(rgb("#b5400f"), 0.1)),
  ];
};

const barrel: Builder = (random) => {
  const colour = rgb(pick(random, ["#1f4f7c", "#8e2a1c", "#2f6a48", "#b7902c", "#6b4a2c"]));
  const skin = bands([colour], 1, 0, 0.4, grainOf(random));
  const radius = 0.34;
  const solids = [0, 1].map((upper) =>
    frustum([0, 0.5 * upper, 0], upper ? [radius * 1.08, radius, 0.5] : [radius, radius * 1.08, 0.5], skin),
  );
  for (const y of [0.02, 0.32, 0.64, 0.94]) solids.push(frustum([0, y, 0], [radius * 1.1, radius * 1.1, 0.05], METAL));
  return solids;
};

const sheep: Builder = (random) => {
  const fleece = wool(rgb(pick(random, ["#e6dfcf", "#ded2bc", "#cfc6b6"])), grainOf(random));
  const skin = plain(rgb(pick(random, ["#2a2420", "#3c322a", "#d9cdb8"])), 0.05);
  const solids = [ellipsoid([0, 0.72, 0], [0.34, 0.33, 0.56], fleece)];
  for (const [y, z, r] of [
    [0.86, 0.25, 0.27],
    [0.84, -0.25, 0.29],
    [0.7, -0.46, 0.24],
  ]) {
    solids.push(ellipsoid([0, y, z], [r, r, r], fleece));
  }
  const low = random.uniform() < 0.4 ? 0.42 : 0; // grazing
  solids.push(ellipsoid([0, 0.95 - low, 0.72], [0.12, 0.13, 0.22], skin, rotation(0, 0.5)));
  solids.push(ellipsoid([0, 1.06 - low, 0.6], [0.14, 0.1, 0.14], fleece));
  for (const side of [-1, 1]) {
    solids.push(ellipsoid([0.17 * side, 1.02 - low, 0.62], [0.1, 0.04, 0.05], skin, rotation(0, 0, -0.4 * side)));
    for (const z of [-0.34, 0.32]) solids.push(frustum([0.17 * side, 0, z], [0.045, 0.06, 0.5], skin));
  }
  return solids;
};

export const OUTDOOR = { tree, rock, house, car, boat, cone, barrel, sheep } as const;
