/** @file What a scene holds and where: drawn from (seed, index) alone, so that image 7 is the same in any data set. */
import { RandomStream } from "../core/random.js";
import { type ClassName, categoryId, type StuffName, type ThingName } from "./classes.js";
import { building, THINGS } from "./furniture.js";
import { grainOf, masonry, pick, planks, tiles } from "./materials.js";
import { fbm2, type Rgb, rgb } from "./noise.js";
import { type Material, placed, type Solid, type Vec } from "./solids.js";
import { type Light, type Sky, weather } from "./weather.js";

export interface SceneObject {
  readonly name: ClassName;
  /** Panoptic id: 1000 * category id + number of the instance (0 for stuff). */
  readonly segment: number;
  readonly solids: readonly Solid[];
  /** Bounding sphere. */
  readonly centre: Vec;
  readonly reach: number;
  /** Radius of the place it stands on, where it keeps the sky's light off the ground; 0 if it stands on a table. */
  readonly foot: number;
}

export interface Ground {
  readonly base: "grass" | "sand";
  /** Centre line x = x0 + slope * z; widths from the middle. */
  readonly road?: { readonly x0: number; readonly slope: number; readonly half: number; readonly pavement: number };
  /** Shore at z = near + slope * x and some waves; the water lies beyond it. */
  readonly water?: { readonly near: number; readonly slope: number };
  readonly mountains: boolean;
}

export interface Room {
  readonly depth: number;
  readonly half: number;
  readonly wall: Material;
  readonly floor: Material;
}

export interface Scene {
  /** Sets this scene's noise apart from any other's. */
  readonly grain: number;
  readonly eye: { readonly height: number; readonly pitch: number; readonly view: number };
  /** Distance in focus, metres, and blur at infinity as a share of the image's side. */
  readonly lens: { readonly focus: number; readonly blur: number };
  readonly light: Light;
  readonly objects: readonly SceneObject[];
  readonly setting: { readonly ground: Ground; readonly sky: Sky } | { readonly room: Room };
}

/** Radius in metres of the ground that a thing keeps for itself. */
const FOOT: Record<ThingName, number> = {
  tree: 1.3,
  rock: 0.9,
  house: 4.4,
  car: 2,
  boat: 2.6,
  cone: 0.4,
  barrel: 0.45,
  crate: 0.65,
  ball: 0.38,
  sheep: 0.7,
  parasol: 0.9,
  table: 0.95,
  chair: 0.36,
  vase: 0.22,
};

interface Wish {
  readonly name: ThingName;
  readonly count: readonly [least: number, most: number];
  /** Distance from the eye, metres. */
  readonly depth: readonly [near: number, far: number];
  readonly on: readonly StuffName[];
}

const wish = (name: ThingName, count: Wish["count"], depth: Wish["depth"], ...on: StuffName[]): Wish => ({
  name,
  count,
  depth,
  on,
});

const WISHES: Record<"meadow" | "street" | "coast" | "room", readonly Wish[]> = {
  meadow: [
    wish("house", [0, 2], [14, 34], "grass"),
    wish("car", [0, 2], [7, 24], "road"),
    wish("tree", [3, 8], [9, 40], "grass"),
    wish("boat", [0, 2], [12, 40], "water"),
    wish("sheep", [0, 6], [4, 18], "grass"),
    wish("rock", [0, 3], [4, 16], "grass"),
    wish("crate", [0, 2], [4, 9], "grass"),
    wish("ball", [0, 3], [2.6, 7], "grass"),
    wish("barrel", [0, 2], [4, 10], "grass"),
  ],
  street: [
    wish("car", [2, 5], [6, 34], "road"),
    wish("tree", [0, 4], [9, 34], "pavement"),
    wish("cone", [1, 5], [3.5, 14], "road", "pavement"),
    wish("barrel", [0, 3], [4, 12], "pavement", "road"),
    wish("crate", [0, 3], [4, 12], "pavement"),
    wish("table", [0, 2], [5, 12], "pavement"),
    wish("chair", [0, 4], [4, 12], "pavement"),
    wish("ball", [0, 2], [3, 8], "road", "pavement"),
  ],
  coast: [
    wish("boat", [1, 4], [9, 50], "water"),
    wish("parasol", [1, 4], [4.5, 15], "sand"),
    wish("rock", [1, 4], [4, 20], "sand", "water"),
    wish("ball", [1, 3], [2.4, 7], "sand"),
    wish("chair", [0, 3], [3.5, 11], "sand"),
    wish("barrel", [0, 2], [4, 10], "sand"),
    wish("crate", [0, 3], [3.5, 10], "sand"),
  ],
  room: [
    wish("table", [1, 2], [3, 4.6], "floor"),
    wish("chair", [1, 4], [2.4, 4.8], "floor"),
    wish("crate", [0, 2], [2.6, 4.8], "floor"),
    wish("barrel", [0, 1], [3, 4.8], "floor"),
    wish("ball", [1, 4], [1.8, 4.4], "floor"),
    wish("vase", [1, 3], [2, 4.8], "floor"),
  ],
};

/** The class of the ground at a place. */
export function groundAt(ground: Ground, x: number, z: number): StuffName {
  const { base, road, water } = ground;
  if (water && z > shoreAt(water, x)) return "water";
  if (road) {
    const away = Math.abs(x - road.x0 - road.slope * z);
    if (away < road.half) return "road";
    if (away < road.half + road.pavement) return "pavement";
  }
  return base;
}

export function shoreAt({ near, slope }: NonNullable<Ground["water"]>, x: number): number {
  return near + slope * x + 1.6 * fbm2(0.16 * x, near, 4, 31);
}

/** Collects objects, gives them ids, and keeps them off each other's places. */
class Stage {
  readonly objects: SceneObject[] = [];
  private readonly taken: { x: number; z: number; foot: number }[] = [];
  private readonly counts = new Map<ClassName, number>();

  isFree(x: number, z: number, foot: number): boolean {
    return this.taken.every((other) => Math.hypot(other.x - x, other.z - z) > other.foot + foot);
  }

  put(name: ClassName, parts: readonly Solid[], at: Vec, yaw: number, { foot = 0, isThing = true } = {}): SceneObject {
    const number = isThing ? (this.counts.get(name) ?? 0) + 1 : 0;
    this.counts.set(name, number);
    const solids = parts.map((part) => placed(part, at, yaw));
    const mean = (axis: "x" | "y" | "z") => solids.reduce((sum, s) => sum + s[axis], 0) / solids.length;
    const centre: Vec = [mean("x"), mean("y"), mean("z")];
    const reach = Math.max(
      ...solids.map((s) => Math.hypot(s.x - centre[0], s.y - centre[1], s.z - centre[2]) + s.reach),
    );
    const object = { name, segment: 1000 * categoryId(name) + number, solids, centre, reach, foot };
    this.objects.push(object);
    if (foot) this.taken.push({ x: at[0], z: at[2], foot });
    return object;
  }
}

const between = (random: RandomStream, [low, high]: readonly [number, number]) => low + random.integer(high - low + 1);

/** Puts what is wished for on free ground in view; what finds no place in a few trials is left out. */
function furnish(
  stage: Stage,
  random: RandomStream,
  wishes: readonly Wish[],
  view: number,
  at: (x: number, z: number) => StuffName,
  ground?: Ground,
) {
  for (const { name, count, depth, on } of wishes) {
    for (let left = between(random, count); left > 0; left--) {
      const parts = THINGS[name](random);
      for (let trial = 0; trial < 24; trial++) {
        // uniform in 1 / z: as many far as near on the image's rows
        const z = 1 / random.uniform(1 / depth[1], 1 / depth[0]);
        const road = name === "car" ? ground?.road : undefined;
        const lane = random.uniform() < 0.5 ? -1 : 1;
        const x = road ? road.x0 + road.slope * z + lane * road.half * 0.5 : random.uniform(-1.05, 1.05) * view * z;
        if (Math.abs(x) > 1.2 * view * z || !on.includes(at(x, z)) || !stage.isFree(x, z, FOOT[name])) continue;
        const yaw = road ? Math.atan(road.slope) + (lane < 0 ? Math.PI : 0) : turnOf(name, random);
        const object = stage.put(name, parts, [x, 0, z], yaw, { foot: FOOT[name] });
        if (name === "table") laid(stage, random, object, yaw);
        break;
      }
    }
  }
}

function turnOf(name: ThingName, random: RandomStream): number {
  return name === "house" ? random.uniform(-0.6, 0.6) : random.uniform(0, 2 * Math.PI);
}

/** Things on a table. */
function laid(stage: Stage, random: RandomStream, table: SceneObject, yaw: number): void {
  const [board] = table.solids;
  const top = board.y + 0.03;
  for (const side of [-1, 0, 1]) {
    if (random.uniform() < 0.35) continue;
    const name = random.uniform() < 0.75 ? "vase" : "ball";
    const [u, v] = [side * 0.36 + random.uniform(-0.06, 0.06), random.uniform(-0.15, 0.15)];
    const at: Vec = [
      board.x + u * Math.cos(yaw) + v * Math.sin(yaw),
      top,
      board.z - u * Math.sin(yaw) + v * Math.cos(yaw),
    ];
    stage.put(name, THINGS[name](random), at, random.uniform(0, 6));
  }
}

function lineWithBuildings(
  stage: Stage,
  random: RandomStream,
  { x0, slope, half, pavement }: NonNullable<Ground["road"]>,
): void {
  for (const side of [-1, 1]) {
    let z = random.uniform(-2, 5);
    while (z < 80) {
      const width = random.uniform(6, 11);
      const x = x0 + slope * (z + width / 2) + side * (half + pavement + 4.2);
      const yaw = Math.atan(slope) + (side * Math.PI) / 2;
      stage.put("building", building(random, width), [x, 0, z + width / 2], yaw, { isThing: false });
      z += width + (random.uniform() < 0.15 ? random.uniform(2, 5) : 0.02);
    }
  }
}

function drawGround(theme: "meadow" | "street" | "coast", random: RandomStream): Ground {
  if (theme === "coast") {
    const water = { near: random.uniform(7, 14), slope: random.uniform(-0.35, 0.35) };
    return { base: "sand", water, mountains: random.uniform() < 0.4 };
  }
  if (theme === "street") {
    const road = {
      x0: random.uniform(-2.5, 2.5),
      slope: random.uniform(-0.08, 0.08),
      half: random.uniform(3, 4),
      pavement: random.uniform(2.5, 4),
    };
    return { base: "grass", road, mountains: random.uniform() < 0.3 };
  }
  const kind = random.uniform();
  const road = {
    x0: random.uniform(-4, 4),
    slope: random.uniform(-0.7, 0.7),
    half: random.uniform(2.2, 3),
    pavement: 0,
  };
  const water = { near: random.uniform(14, 24), slope: random.uniform(-0.5, 0.5) };
  const mountains = random.uniform() < 0.75;
  return { base: "grass", mountains, ...(kind < 0.4 ? { road } : kind < 0.7 ? { water } : {}) };
}

function drawRoom(random: RandomStream): Room {
  const grain = grainOf(random);
  const paint: Rgb = rgb(pick(random, ["#c9c0ac", "#9fb0a8", "#b99a86", "#8fa3b5", "#d4cdbf", "#a8a07c", "#7d8a7c"]));
  const wall =
    random.uniform() < 0.3 ? masonry(rgb("#a3705a"), grain, { width: 0.26, height: 0.085 }) : masonry(paint, grain);
  const boards = planks(rgb(pick(random, ["#8a5f38", "#6e4a2c", "#a8845a", "#7a6650"])), 0.17, grain);
  const floor = random.uniform() < 0.75 ? { ...boards, shine: 0.3, gloss: 30, mirror: 0.05 } : flagstones(random);
  return { depth: random.uniform(5.2, 6.4), half: random.uniform(2.8, 3.8), wall, floor };
}

/** Roof tiles laid flat serve as floor tiles. */
function flagstones(random: RandomStream): Material {
  const flat = tiles(rgb(pick(random, ["#b8ab98", "#8c8880", "#a5694c"])), grainOf(random));
  return {
    ...flat,
    shine: 0.4,
    gloss: 50,
    mirror: 0.06,
    texture: (x, y, z, footprint, out) => flat.texture(x, z, y, footprint, out),
  };
}

/** The scene of one image. */
export function drawScene(seed: number, index: number): Scene {
  const random = new RandomStream({ seed, purpose: "sample scene", sample: index });
  const theme = pick(random, ["meadow", "meadow", "street", "coast", "room"] as const);
  const stage = new Stage();
  const grain = grainOf(random);
  if (theme === "room") {
    const room = drawRoom(random);
    const view = random.uniform(0.55, 0.7);
    const inside = (x: number) => (Math.abs(x) < room.half - 0.5 ? "floor" : "wall");
    furnish(stage, random, WISHES.room, view, inside);
    return {
      grain,
      eye: { height: random.uniform(1.2, 1.8), pitch: random.uniform(0.12, 0.24), view },
      lens: { focus: random.uniform(2.5, 4), blur: random.uniform(0.003, 0.012) },
      light: weather(random, true).light,
      objects: stage.objects,
      setting: { room },
    };
  }
  const ground = drawGround(theme, random);
  const view = random.uniform(0.45, 0.65);
  if (theme === "street") lineWithBuildings(stage, random, ground.road!);
  furnish(stage, random, WISHES[theme], view, (x, z) => groundAt(ground, x, z), ground);
  const { light, sky } = weather(random, false);
  return {
    grain,
    eye: { height: random.uniform(1.5, 3), pitch: random.uniform(0.02, 0.16), view },
    lens: { focus: random.uniform(5, 14), blur: random.uniform(0.002, 0.01) },
    light,
    objects: stage.objects,
    setting: { ground, sky },
  };
}
