/** @file A point of a surface before light falls on it, and how a ray finds it on an object or a room's walls. */
import { categoryId, type StuffName } from "./classes.js";
import type { Room, SceneObject } from "./layout.js";
import { clamp, mix, noise3, paint, type Rgb, rgb, smoothstep } from "./noise.js";
import type { Hit, Ray } from "./solids.js";

export interface Surface {
  /** Panoptic id. */
  segment: number;
  /** Metres from the ray's origin. */
  distance: number;
  x: number;
  y: number;
  z: number;
  nx: number;
  ny: number;
  nz: number;
  readonly albedo: Rgb;
  /** Share of the light from all sides that its neighbours let through. */
  open: number;
  /** How far light creeps round the terminator: 0 for solid matter, more for foliage. */
  wrap: number;
  shine: number;
  gloss: number;
  /** Share mirrored at a grazing angle, and the part of it that is mirrored straight on (Schlick's approximation). */
  mirror: number;
  upright: number;
  /** Does it mirror objects, or just sky and windows? */
  sharp: boolean;
}

export function newSurface(): Surface {
  return {
    segment: 0,
    distance: 0,
    x: 0,
    y: 0,
    z: 0,
    nx: 0,
    ny: 1,
    nz: 0,
    albedo: { r: 0, g: 0, b: 0 },
    open: 1,
    wrap: 0,
    shine: 0,
    gloss: 10,
    mirror: 0,
    upright: 0.03,
    sharp: false,
  };
}

const SKIRTING = rgb("#ddd6c8");

export const stuffSegment = (name: StuffName) => 1000 * categoryId(name);

/** Puts the surface at distance t along the ray; matt, level and in the open until said otherwise. */
export function moveTo(out: Surface, ray: Ray, t: number): void {
  out.distance = t;
  out.x = ray.x + t * ray.dx;
  out.y = ray.y + t * ray.dy;
  out.z = ray.z + t * ray.dz;
  out.nx = 0;
  out.ny = 1;
  out.nz = 0;
  out.open = 1;
  out.wrap = 0;
  out.shine = 0;
  out.gloss = 10;
  out.mirror = 0;
  out.upright = 0.03;
  out.sharp = false;
}

/** Tilts a level surface: its height falls by `alongX` and `alongZ` a metre. */
export function tilt(out: Surface, alongX: number, alongZ: number): void {
  const scale = 1 / Math.sqrt(1 + alongX * alongX + alongZ * alongZ);
  out.nx = -alongX * scale;
  out.ny = scale;
  out.nz = -alongZ * scale;
}

/** Describes the object's surface that `hit` found. `angle` is a pixel's, in radians. */
export function describeObject(
  object: SceneObject,
  hit: Hit,
  ray: Ray,
  angle: number,
  grain: number,
  out: Surface,
): void {
  const { material } = hit.solid!;
  const { fuzz = 0, bump = 0, bumpSize = 1, shine = 0, gloss = 10, mirror = 0 } = material;
  moveTo(out, ray, hit.t);
  out.segment = object.segment;
  const facing = -(hit.nx * ray.dx + hit.ny * ray.dy + hit.nz * ray.dz);
  const footprint = (hit.t * angle) / Math.max(0.25, facing);
  material.texture(hit.lx, hit.ly, hit.lz, footprint, out.albedo);
  out.nx = hit.nx;
  out.ny = hit.ny;
  out.nz = hit.nz;
  roughen(out, hit, bump * clamp(1.5 - footprint / bumpSize, 0, 1), bumpSize, grain);
  // off the surface, and out of the leaves, that would shade it
  const lift = fuzz ? 0.6 * fuzz : 2e-3;
  out.open = mix(0.5, 1, object.foot === 0 ? 1 : smoothstep(-0.1, 0.5, out.y)) * (fuzz ? 0.85 : 1);
  out.x += lift * hit.nx;
  out.y += lift * hit.ny;
  out.z += lift * hit.nz;
  out.wrap = fuzz ? 0.35 : 0;
  out.shine = shine;
  out.gloss = gloss;
  out.mirror = mirror;
  out.upright = 0.35;
}

/** Turns the normal by noise over the solid's frame. */
function roughen(out: Surface, { lx, ly, lz }: Hit, bump: number, size: number, grain: number): void {
  if (bump <= 0) return;
  const nx = out.nx + bump * noise3(lx / size, ly / size, lz / size, grain + 1);
  const ny = out.ny + bump * noise3(lx / size, ly / size, lz / size, grain + 2);
  const nz = out.nz + bump * noise3(lx / size, ly / size, lz / size, grain + 3);
  const scale = 1 / Math.sqrt(nx * nx + ny * ny + nz * nz);
  out.nx = nx * scale;
  out.ny = ny * scale;
  out.nz = nz * scale;
}

/** Light from all sides, at some distance from a corner. */
const corner = (away: number) => mix(0.55, 1, smoothstep(-0.05, 0.8, away));

/** Describes the floor or wall that a ray meets from inside the room. `far` bounds its length. */
export function describeRoom(room: Room, ray: Ray, angle: number, far: number, out: Surface): void {
  const side = Math.sign(ray.dx);
  const toFloor = ray.dy < 0 ? -ray.y / ray.dy : far;
  const toSide = side ? (side * room.half - ray.x) / ray.dx : far;
  const toBack = ray.dz > 0 ? (room.depth - ray.z) / ray.dz : far;
  const t = Math.min(toFloor, toSide, toBack);
  moveTo(out, ray, t);
  const besides = corner(room.half - Math.abs(out.x));
  const behind = corner(room.depth - out.z);
  if (t === toFloor) {
    const { shine = 0, gloss = 10, mirror = 0 } = room.floor;
    out.segment = stuffSegment("floor");
    room.floor.texture(out.x, 0, 0.5 * out.x + out.z, 2 * t * angle, out.albedo);
    out.open = besides * behind;
    out.shine = shine;
    out.gloss = gloss;
    out.mirror = mirror;
    out.sharp = true;
    return;
  }
  out.segment = stuffSegment("wall");
  const back = t === toBack;
  room.wall.texture(back ? out.x : out.z, out.y, 0, 1.3 * t * angle, out.albedo);
  if (out.y < 0.12) paint(out.albedo, SKIRTING, out.y > 0.11 ? 0.6 : 1);
  out.open = corner(out.y) * (back ? besides : behind);
  out.nx = back ? 0 : -side;
  out.ny = 0;
  out.nz = back ? -1 : 0;
}
