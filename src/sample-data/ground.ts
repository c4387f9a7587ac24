/** @file Albedo, relief and gloss of the ground: grass, road, pavement, sand and water. */
import type { StuffName } from "./classes.js";
import { type Ground, shoreAt } from "./layout.js";
import { blend, cell, fbm2, noise2, octavesFor, paint, rgb, smoothstep } from "./noise.js";
import { type Surface, tilt } from "./surface.js";

const COLOURS = {
  grass: rgb("#5f7a2c"),
  straw: rgb("#a3974e"),
  shade: rgb("#30451a"),
  petal: rgb("#f4eec8"),
  asphalt: rgb("#57585b"),
  patch: rgb("#3d3e41"),
  line: rgb("#dcd8cc"),
  slab: rgb("#a39b90"),
  joint: rgb("#5c564e"),
  sand: rgb("#cdb78a"),
  wet: rgb("#86724f"),
  foam: rgb("#f0f4f4"),
  deep: rgb("#0e3140"),
  shallow: rgb("#3a8a86"),
} as const;

type Painter = (x: number, z: number, footprint: number, grain: number, ground: Ground, out: Surface) => void;

const grass: Painter = (x, z, footprint, grain, _ground, { albedo }) => {
  const meadow = fbm2(0.12 * x, 0.12 * z, octavesFor(footprint, 0.12, 4), grain);
  const tufts = fbm2(1.7 * x, 1.7 * z, octavesFor(footprint, 1.7, 3), grain + 20);
  const blades = fbm2(26 * x, 9 * z, octavesFor(footprint, 14, 3), grain + 40);
  paint(albedo, COLOURS.grass, 0.9 + 0.35 * tufts + 0.6 * blades);
  blend(albedo, COLOURS.straw, 0.55 * smoothstep(0, 0.6, meadow + 0.25 * tufts), 0.9 + 0.5 * blades);
  blend(albedo, COLOURS.shade, 0.5 * smoothstep(0.1, -0.5, tufts + blades));
  const flower = Math.hypot((x * 3) % 1, (z * 3) % 1);
  if (cell(3 * x, 3 * z, grain + 60) > 0.97 && flower < 0.9 && meadow > 0 && footprint < 0.05) {
    const [u, v] = [3 * x - Math.floor(3 * x) - 0.5, 3 * z - Math.floor(3 * z) - 0.5];
    blend(albedo, COLOURS.petal, smoothstep(0.16, 0.1, Math.hypot(u, v)));
  }
};

const road: Painter = (x, z, footprint, grain, { road: line }, out) => {
  const { albedo } = out;
  paint(albedo, COLOURS.asphalt, 1 + 0.5 * fbm2(30 * x, 30 * z, octavesFor(footprint, 30, 2), grain));
  const worn = fbm2(0.5 * x, 0.15 * z, octavesFor(footprint, 0.5, 4), grain + 5);
  blend(albedo, COLOURS.patch, 0.7 * smoothstep(0.05, 0.4, worn));
  if (!line) return;
  const across = x - line.x0 - line.slope * z;
  const dash = z / 4 - Math.floor(z / 4) < 0.5 && Math.abs(across) < 0.08;
  const edge = Math.abs(Math.abs(across) - line.half + 0.25) < 0.06;
  if (dash || edge) {
    const scratched = smoothstep(-0.5, 0.2, fbm2(9 * x, 9 * z, octavesFor(footprint, 9, 3), grain + 7) + 0.3);
    blend(albedo, COLOURS.line, 0.85 * scratched);
  }
  if (line.pavement === 0)
    blend(albedo, COLOURS.straw, 0.5 * smoothstep(line.half - 0.35, line.half, Math.abs(across) + 0.3 * worn));
};

const pavement: Painter = (x, z, footprint, grain, { road: line }, { albedo }) => {
  const across = x - (line?.x0 ?? 0) - (line?.slope ?? 0) * z;
  const [u, v] = [across / 0.6, z / 0.6];
  const seen = smoothstep(0.5, 0.12, footprint / 0.6);
  paint(
    albedo,
    COLOURS.slab,
    1 + 0.22 * seen * (cell(u, v, grain) - 0.5) + 0.25 * fbm2(3 * x, 3 * z, octavesFor(footprint, 3, 5), grain),
  );
  const [fu, fv] = [Math.abs(u - Math.floor(u) - 0.5), Math.abs(v - Math.floor(v) - 0.5)];
  blend(albedo, COLOURS.joint, 0.7 * seen * smoothstep(0.46, 0.49, Math.max(fu, fv)));
  if (line && Math.abs(Math.abs(across) - line.half) < 0.16) paint(albedo, COLOURS.slab, 1.25); // kerb
};

const sand: Painter = (x, z, footprint, grain, { water }, out) => {
  const { albedo } = out;
  const dunes = fbm2(0.5 * x, 0.5 * z, octavesFor(footprint, 0.5, 4), grain);
  const ripples = Math.sin(9 * z + 4 * fbm2(0.8 * x, 0.8 * z, octavesFor(footprint, 0.8, 3), grain + 3));
  const seen = smoothstep(0.25, 0.05, footprint);
  paint(albedo, COLOURS.sand, 1 + 0.2 * dunes + 0.25 * fbm2(40 * x, 40 * z, octavesFor(footprint, 40, 2), grain));
  tilt(out, 0.35 * seen * noise2(2.5 * x, 2.5 * z, grain + 8), 0.16 * ripples * seen * smoothstep(-0.2, 0.3, dunes));
  if (!water) return;
  const dry = shoreAt(water, x) - z;
  const wet = smoothstep(2.4, 0.4, dry + 0.6 * dunes);
  blend(albedo, COLOURS.wet, 0.8 * wet);
  out.mirror = 0.16 * wet;
  out.shine = 0.4 * wet;
  out.gloss = 40;
  blend(albedo, COLOURS.foam, 0.8 * smoothstep(0.3, 0.05, dry + 0.25 * noise2(3 * x, 3 * z, grain)));
};

const water: Painter = (x, z, footprint, grain, { water: shore, base }, out) => {
  const { albedo } = out;
  const off = z - (shore ? shoreAt(shore, x) : 0);
  paint(albedo, COLOURS.deep);
  blend(albedo, base === "sand" ? COLOURS.shallow : COLOURS.deep, Math.exp(-0.12 * off));
  const octaves = octavesFor(footprint, 0.7, 4);
  const swell = 0.05 + 0.12 * Math.min(1, octaves / 3);
  tilt(
    out,
    0.6 * swell * fbm2(0.7 * x, 1.6 * z, octaves, grain + 11),
    swell * fbm2(0.7 * x + 31, 1.6 * z, octaves, grain + 12),
  );
  out.shine = 1;
  out.gloss = 180;
  const crest = fbm2(0.35 * x, 1.5 * off, octavesFor(footprint, 0.8, 4), grain + 13);
  const surf = base === "sand" ? smoothstep(5, 0, off) : 0;
  const foam =
    smoothstep(0.32, 0.5, crest + 0.25 * surf) * (0.15 + 0.85 * surf) + smoothstep(0.35, 0, off + 0.2 * crest) * 0.9;
  blend(albedo, COLOURS.foam, Math.min(1, foam));
  out.mirror = 1 - Math.min(1, foam);
};

const PAINTERS: Partial<Record<StuffName, Painter>> = { grass, road, pavement, sand, water };

/** Describes the ground of class `name` at the place of `out`, seen with pixels `footprint` metres wide. */
export function paintGround(name: StuffName, footprint: number, grain: number, ground: Ground, out: Surface): void {
  PAINTERS[name]?.(out.x, out.z, footprint, grain, ground, out);
}
