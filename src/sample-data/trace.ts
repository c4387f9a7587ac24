/** @file Follows rays into a scene: what they meet, how far away, and the light that comes back. */
import { paintGround } from "./ground.js";
import { groundAt, type Room, type Scene, type SceneObject } from "./layout.js";
import { blend, hash, mix, paint, type Rgb, smoothstep } from "./noise.js";
import { type Hit, intersect, newHit, newRay, type Ray } from "./solids.js";
import { describeObject, describeRoom, moveTo, newSurface, type Surface, stuffSegment } from "./surface.js";
import { mountainColour, skyColour } from "./weather.js";

/** What a ray met: filled anew by each call. */
export interface Seen extends Rgb {
  /** Panoptic id. */
  segment: number;
  /** Metres; FAR for sky and mountains. */
  distance: number;
}

export const newSeen = (): Seen => ({ r: 0, g: 0, b: 0, segment: 0, distance: 0 });

const FAR = 400;

/** Light through two windows of four panes in the wall on the sun's side, and a little from the room's lamp. */
function windowLight(room: Room, toSun: Ray): number {
  const lamp = 0.22;
  const t = (Math.sign(toSun.dx) * room.half - toSun.x) / toSun.dx;
  const u = (toSun.z + t * toSun.dz) / 2.1 - 0.2;
  const v = (toSun.y + t * toSun.dy - 0.8) / 1.7;
  const pane = u - Math.floor(u);
  if (v < 0 || v > 1 || pane > 0.75 || u < -1 || u > 3) return lamp;
  const bar = Math.abs(pane - 0.375) < 0.02 || Math.abs(v - 0.55) < 0.025;
  return bar ? lamp : 1.5;
}

/**
 * A function that follows the ray in the unit direction (dx, dy, dz) from the eye. `angle` is the angle of a pixel in
 * radians, which bounds the detail of textures. The ray's number picks the point of the sun that it is shadowed from;
 * four rays of successive numbers from a multiple of 4 cover the four quarters of the sun.
 */
export function createTracer(scene: Scene, angle: number) {
  const { light, setting, grain } = scene;
  const { sun, sunlight, above, below, soft } = light;
  // near objects first: the far ones then need no look
  const objects = scene.objects.toSorted((a, b) => Math.hypot(...a.centre) - Math.hypot(...b.centre));
  const standing = objects.filter(({ foot }) => foot > 0);
  const room = "room" in setting ? setting.room : undefined;
  const outdoors = "sky" in setting ? setting : undefined;

  // one of each for the ray from the eye and for the mirrored one
  const rays = [newRay(), newRay()];
  const hits = [newHit(), newHit()];
  const surfaces = [newSurface(), newSurface()];
  const mirrored = newSeen();
  const toSun = newRay();
  const shadow = newHit();

  /** The nearest object along a ray, or any if `any`; its surface in `hit`. */
  function meet(ray: Ray, hit: Hit, any: boolean): SceneObject | undefined {
    let found: SceneObject | undefined;
    for (const object of objects) {
      const { centre, reach } = object;
      const x = centre[0] - ray.x;
      const y = centre[1] - ray.y;
      const z = centre[2] - ray.z;
      const along = x * ray.dx + y * ray.dy + z * ray.dz;
      if (along < -reach || along - reach > hit.t || x * x + y * y + z * z - along * along > reach * reach) continue;
      for (const solid of object.solids) {
        if (!intersect(solid, ray, hit)) continue;
        if (any) return object;
        found = object;
      }
    }
    return found;
  }

  /** Strength of the direct light on a surface: 0 in shadow. */
  function sunOn(surface: Surface, number: number): number {
    const word = hash(number, 0, 0, grain);
    const u = soft * ((number & 1) - (word & 1023) / 1024);
    const v = soft * (((number >> 1) & 1) - ((word >> 10) & 1023) / 1024);
    const dx = sun[0] + u * sun[2];
    const dy = sun[1] + v;
    const dz = sun[2] - u * sun[0];
    const scale = 1 / Math.sqrt(dx * dx + dy * dy + dz * dz);
    toSun.x = surface.x;
    toSun.y = surface.y + 1e-3;
    toSun.z = surface.z;
    toSun.dx = dx * scale;
    toSun.dy = dy * scale;
    toSun.dz = dz * scale;
    shadow.t = FAR;
    if (meet(toSun, shadow, true)) return 0;
    return room ? windowLight(room, toSun) : 1;
  }

  /** Share of the light from above that reaches the ground between the objects that stand near. */
  function openness(x: number, z: number): number {
    let open = 1;
    for (const { foot, centre } of standing) {
      const away = ((x - centre[0]) ** 2 + (z - centre[2]) ** 2) / (foot * foot);
      if (away < 2.1) open *= 1 - 0.5 * smoothstep(1.45, 0.3, Math.sqrt(away));
    }
    return open;
  }

  /** What a mirror shows in a direction, objects left out. */
  function surroundings({ dx, dy, dz }: Ray, out: Rgb): void {
    if (outdoors) {
      if (dy > 0) skyColour(outdoors.sky, light, dx, dy, dz, out);
      else paint(out, below, 0.35);
      return;
    }
    paint(out, above, mix(0.25, 0.7, smoothstep(-0.3, 0.8, dy)));
    const level = (dx * sun[0] + dz * sun[2]) / Math.hypot(sun[0], sun[2]);
    const pane = smoothstep(0.75, 0.85, level) * smoothstep(0.1, 0.2, dy) * smoothstep(0.7, 0.6, dy);
    blend(out, sunlight, 0.6 * pane);
  }

  /** Lights a surface: diffuse by Lambert's law, a highlight (Blinn), and a mirror image. */
  function lit(s: Surface, ray: Ray, number: number, bounced: boolean, out: Rgb): void {
    const facing = (s.nx * sun[0] + s.ny * sun[1] + s.nz * sun[2] + s.wrap) / (1 + s.wrap);
    const direct = facing > 0 ? facing * sunOn(s, number) : 0;
    const up = 0.5 + 0.5 * s.ny;
    out.r = s.albedo.r * (direct * sunlight.r + s.open * mix(below.r, above.r, up));
    out.g = s.albedo.g * (direct * sunlight.g + s.open * mix(below.g, above.g, up));
    out.b = s.albedo.b * (direct * sunlight.b + s.open * mix(below.b, above.b, up));
    if (s.shine * direct > 0) {
      const [hx, hy, hz] = [sun[0] - ray.dx, sun[1] - ray.dy, sun[2] - ray.dz];
      const half = Math.max(0, (s.nx * hx + s.ny * hy + s.nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz));
      const gain = s.shine * direct * 0.05 * (s.gloss + 8) ** 0.75 * half ** s.gloss;
      out.r += gain * sunlight.r;
      out.g += gain * sunlight.g;
      out.b += gain * sunlight.b;
    }
    const cos = Math.max(0, -(s.nx * ray.dx + s.ny * ray.dy + s.nz * ray.dz));
    const share = s.mirror * mix(s.upright, 1, (1 - cos) ** 5);
    if (share < 0.01 || bounced) return;
    const back = rays[1];
    back.x = s.x;
    back.y = s.y + 1e-2;
    back.z = s.z;
    back.dx = ray.dx + 2 * cos * s.nx;
    back.dy = ray.dy + 2 * cos * s.ny;
    back.dz = ray.dz + 2 * cos * s.nz;
    if (s.sharp) {
      back.dy = Math.abs(back.dy) + 1e-3;
      follow(1, number, mirrored);
    } else surroundings(back, mirrored);
    blend(out, mirrored, share);
  }

  /** The surface that a ray meets; false if it leaves the scene. */
  function find(bounces: number, out: Surface): boolean {
    const [ray, hit] = [rays[bounces], hits[bounces]];
    hit.t = FAR;
    const object = meet(ray, hit, false);
    const toGround = ray.dy < 0 ? -ray.y / ray.dy : FAR;
    if (object && hit.t < toGround) {
      describeObject(object, hit, ray, angle, grain, out);
      return true;
    }
    if (room) {
      describeRoom(room, ray, angle, FAR, out);
      if (out.ny === 1) out.open *= openness(out.x, out.z);
      return true;
    }
    if (!outdoors || toGround >= FAR) return false;
    moveTo(out, ray, toGround);
    const name = groundAt(outdoors.ground, out.x, out.z);
    out.segment = stuffSegment(name);
    out.open = openness(out.x, out.z);
    out.sharp = true;
    paintGround(name, (toGround * angle) / Math.sqrt(Math.max(0.003, -ray.dy)), grain, outdoors.ground, out);
    return true;
  }

  function follow(bounces: number, number: number, out: Seen): void {
    const [ray, surface] = [rays[bounces], surfaces[bounces]];
    if (find(bounces, surface)) {
      lit(surface, ray, number, bounces > 0, out);
      out.distance = surface.distance;
      out.segment = surface.segment;
      if (outdoors) blend(out, outdoors.sky.horizon, 1 - Math.exp(-outdoors.sky.haze * out.distance));
    } else if (outdoors) {
      const { sky, ground } = outdoors;
      const { dx, dy, dz } = ray;
      const mountain = ground.mountains && mountainColour(sky, light, dx, dy, dz, out);
      if (!mountain) skyColour(sky, light, dx, dy, dz, out);
      out.distance = FAR;
      // a ray that would meet the ground beyond FAR belongs to the ground
      const beyond = dy < 0 ? groundAt(ground, (-ray.y / dy) * dx, (-ray.y / dy) * dz) : "sky";
      out.segment = stuffSegment(mountain ? "mountain" : beyond);
    }
  }

  return (dx: number, dy: number, dz: number, number: number, out: Seen): void => {
    const [ray] = rays;
    ray.y = scene.eye.height;
    ray.dx = dx;
    ray.dy = dy;
    ray.dz = dz;
    follow(0, number, out);
  };
}
