/** @file Three solids, ellipsoid, frustum and convex polyhedron, and where a ray meets them. Metres; y is up. */
import type { Rgb } from "./noise.js";
import { noise3 } from "./noise.js";

export interface Material {
  /**
   * Writes the albedo at a point given in the solid's own frame (metres).
   * `footprint` is the width of a pixel there: finer detail should be left out.
   */
  texture(x: number, y: number, z: number, footprint: number, out: Rgb): void;
  /** How far noise tilts the surface normal, and the size of its features in metres. */
  readonly bump?: number;
  readonly bumpSize?: number;
  /** Strength and sharpness of highlights. */
  readonly shine?: number;
  readonly gloss?: number;
  /** Share of mirrored sky (varnish, glass). */
  readonly mirror?: number;
  /** Leaves, wool: the silhouette is eaten away by noise with features of this size, in metres. */
  readonly fuzz?: number;
}

type Kind = "ellipsoid" | "frustum" | "convex";

export interface Solid {
  readonly kind: Kind;
  /** Centre (of the base, for a frustum). */
  readonly x: number;
  readonly y: number;
  readonly z: number;
  /** World to solid frame, 3 x 3 by rows. */
  readonly turn: readonly number[];
  /** Ellipsoid: three radii. Frustum: lower radius, upper radius, height. */
  readonly size: readonly [number, number, number];
  /** Convex: outward normal and offset of each face, inside where n . p <= offset. */
  readonly faces: readonly number[];
  /** Radius of a sphere around (x, y, z) that holds the solid. */
  readonly reach: number;
  readonly material: Material;
}

export type Vec = readonly [x: number, y: number, z: number];

/** Rotation by `yaw` about y after `pitch` about x after `roll` about z, world to solid frame. */
export function rotation(yaw = 0, pitch = 0, roll = 0): number[] {
  const [cy, sy, cp, sp, cr, sr] = [yaw, pitch, roll].flatMap((a) => [Math.cos(a), Math.sin(a)]);
  // rows are the solid's axes in the world
  return [
    cy * cr + sy * sp * sr,
    cp * sr,
    -sy * cr + cy * sp * sr,
    -cy * sr + sy * sp * cr,
    cp * cr,
    sy * sr + cy * sp * cr,
    sy * cp,
    -sp,
    cy * cp,
  ];
}

const UPRIGHT = rotation();

export function ellipsoid([x, y, z]: Vec, size: Vec, material: Material, turn = UPRIGHT): Solid {
  return { kind: "ellipsoid", x, y, z, turn, size, faces: [], reach: Math.max(...size), material };
}

/** A cylinder or cone standing on `at`: radius `low` at its base, `high` at its top. */
export function frustum(
  [x, y, z]: Vec,
  [low, high, height]: Vec,
  material: Material,
  turn: readonly number[] = UPRIGHT,
): Solid {
  const reach = Math.hypot(Math.max(low, high), height);
  return { kind: "frustum", x, y, z, turn, size: [low, high, height], faces: [], reach, material };
}

/** A polyhedron by its faces `[nx, ny, nz, offset]` (normals of any length); it must lie within `reach` of `at`. */
export function convex(
  [x, y, z]: Vec,
  faces: readonly (readonly [number, number, number, number])[],
  reach: number,
  material: Material,
  turn: readonly number[] = UPRIGHT,
): Solid {
  const unit = faces.flatMap(([nx, ny, nz, offset]) => {
    const length = Math.hypot(nx, ny, nz);
    return [nx / length, ny / length, nz / length, offset / length];
  });
  return { kind: "convex", x, y, z, turn, size: [0, 0, 0], faces: unit, reach, material };
}

/** A box of full width, height and depth `size` around its centre `at`. */
export function box(at: Vec, [w, h, d]: Vec, material: Material, turn: readonly number[] = UPRIGHT): Solid {
  const faces = [
    [1, 0, 0, w / 2],
    [-1, 0, 0, w / 2],
    [0, 1, 0, h / 2],
    [0, -1, 0, h / 2],
    [0, 0, 1, d / 2],
    [0, 0, -1, d / 2],
  ] as const;
  return convex(at, faces, Math.hypot(w, h, d) / 2, material, turn);
}

/** The solid turned by `yaw` about the origin's vertical and moved by `at`. */
export function placed(solid: Solid, at: Vec, yaw: number): Solid {
  const [c, s] = [Math.cos(yaw), Math.sin(yaw)];
  const { x, z, turn: t } = solid;
  // a row of the turn is an axis in the world: it turns with the object
  const turn = [0, 3, 6].flatMap((row) => [c * t[row] + s * t[row + 2], t[row + 1], c * t[row + 2] - s * t[row]]);
  return { ...solid, x: c * x + s * z + at[0], y: solid.y + at[1], z: c * z - s * x + at[2], turn };
}

/** Origin and unit direction. */
export interface Ray {
  x: number;
  y: number;
  z: number;
  dx: number;
  dy: number;
  dz: number;
}

export const newRay = (): Ray => ({ x: 0, y: 0, z: 0, dx: 0, dy: 0, dz: 1 });

/** The nearest surface found so far along a ray: distance, normal (world), point (solid's frame). */
export interface Hit {
  t: number;
  nx: number;
  ny: number;
  nz: number;
  lx: number;
  ly: number;
  lz: number;
  solid: Solid | undefined;
}

export const newHit = (): Hit => ({ t: 0, nx: 0, ny: 0, nz: 0, lx: 0, ly: 0, lz: 0, solid: undefined });

// Scratch objects, since a call with many numbers, or a variable of the module, costs an allocation for each.
/** The ray in the solid's frame. */
const local = newRay();
/** The crossing found there: distance and normal (of any length). */
const cross = { t: 0, nx: 0, ny: 0, nz: 0 };

function meetEllipsoid({ size }: Solid): boolean {
  const a = 1 / size[0];
  const b = 1 / size[1];
  const c = 1 / size[2];
  const [x, y, z] = [local.x * a, local.y * b, local.z * c];
  const [dx, dy, dz] = [local.dx * a, local.dy * b, local.dz * c];
  const dd = dx * dx + dy * dy + dz * dz;
  const xd = x * dx + y * dy + z * dz;
  const root = xd * xd - dd * (x * x + y * y + z * z - 1);
  if (root < 0) return false;
  const t = (-xd - Math.sqrt(root)) / dd;
  cross.t = t;
  cross.nx = (x + t * dx) * a;
  cross.ny = (y + t * dy) * b;
  cross.nz = (z + t * dz) * c;
  return true;
}

function meetFrustum({ size }: Solid): boolean {
  const { x, y, z, dx, dy, dz } = local;
  const [low, high, height] = size;
  const slope = (high - low) / height;
  let nearest = Number.POSITIVE_INFINITY;
  // side: x^2 + z^2 = (low + slope y)^2
  const r = low + slope * y;
  const dr = slope * dy;
  const a = dx * dx + dz * dz - dr * dr;
  const b = x * dx + z * dz - r * dr;
  const root = b * b - a * (x * x + z * z - r * r);
  if (root >= 0 && a !== 0) {
    for (let far = 0; far < 2; far++) {
      const t = (-b + (far === Number(a > 0) ? 1 : -1) * Math.sqrt(root)) / a;
      const up = y + t * dy;
      if (t <= 0 || t >= nearest || up < 0 || up > height) continue;
      nearest = t;
      cross.nx = x + t * dx;
      cross.ny = -slope * (low + slope * up);
      cross.nz = z + t * dz;
    }
  }
  for (let top = 0; top < 2; top++) {
    const t = ((top ? height : 0) - y) / dy;
    const radius = top ? high : low;
    if (!(t > 0 && t < nearest) || (x + t * dx) ** 2 + (z + t * dz) ** 2 > radius * radius) continue;
    nearest = t;
    cross.nx = 0;
    cross.ny = top ? 1 : -1;
    cross.nz = 0;
  }
  cross.t = nearest;
  return nearest < Number.POSITIVE_INFINITY;
}

function meetConvex({ faces }: Solid): boolean {
  const { x, y, z, dx, dy, dz } = local;
  let enter = Number.NEGATIVE_INFINITY;
  let leave = Number.POSITIVE_INFINITY;
  let face = 0;
  for (let f = 0; f < faces.length; f += 4) {
    const toward = faces[f] * dx + faces[f + 1] * dy + faces[f + 2] * dz;
    const outside = faces[f] * x + faces[f + 1] * y + faces[f + 2] * z - faces[f + 3];
    if (toward === 0 && outside > 0) return false;
    const t = -outside / toward;
    if (toward > 0 && t < leave) leave = t;
    if (toward < 0 && t > enter) {
      enter = t;
      face = f;
    }
    if (enter > leave) return false;
  }
  cross.t = enter;
  cross.nx = faces[face];
  cross.ny = faces[face + 1];
  cross.nz = faces[face + 2];
  return true;
}

const MEET = { ellipsoid: meetEllipsoid, frustum: meetFrustum, convex: meetConvex };

/** Does the ray pass between leaves here? More likely where it grazes the surface. */
function slipsThrough(fuzz: number, facing: number, x: number, y: number, z: number): boolean {
  const k = 1 / fuzz;
  const leaf = noise3(k * x, k * y, k * z, 77) + 0.5 * noise3(2.3 * k * x, 2.3 * k * y, 2.3 * k * z, 78);
  return leaf > 0.05 + 1.3 * facing;
}

/** Moves `hit` to where the ray enters the solid, if that is nearer than `hit.t` and ahead. */
export function intersect(s: Solid, ray: Ray, hit: Hit): boolean {
  const x = ray.x - s.x;
  const y = ray.y - s.y;
  const z = ray.z - s.z;
  const { dx, dy, dz } = ray;
  // bounding sphere
  const along = x * dx + y * dy + z * dz;
  if (along > s.reach || x * x + y * y + z * z - along * along > s.reach * s.reach) return false;
  const m = s.turn;
  local.x = m[0] * x + m[1] * y + m[2] * z;
  local.y = m[3] * x + m[4] * y + m[5] * z;
  local.z = m[6] * x + m[7] * y + m[8] * z;
  local.dx = m[0] * dx + m[1] * dy + m[2] * dz;
  local.dy = m[3] * dx + m[4] * dy + m[5] * dz;
  local.dz = m[6] * dx + m[7] * dy + m[8] * dz;
  if (!MEET[s.kind](s)) return false;
  const { t, nx, ny, nz } = cross;
  if (t <= 1e-4 || t >= hit.t) return false;
  const scale = 1 / Math.sqrt(nx * nx + ny * ny + nz * nz);
  const lx = local.x + t * local.dx;
  const ly = local.y + t * local.dy;
  const lz = local.z + t * local.dz;
  const fuzz = s.material.fuzz;
  if (fuzz) {
    const facing = -(nx * local.dx + ny * local.dy + nz * local.dz) * scale;
    if (slipsThrough(fuzz, facing, lx, ly, lz)) return false;
  }
  hit.t = t;
  hit.nx = (m[0] * nx + m[3] * ny + m[6] * nz) * scale;
  hit.ny = (m[1] * nx + m[4] * ny + m[7] * nz) * scale;
  hit.nz = (m[2] * nx + m[5] * ny + m[8] * nz) * scale;
  hit.lx = lx;
  hit.ly = ly;
  hit.lz = lz;
  hit.solid = s;
  return true;
}
