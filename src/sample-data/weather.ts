/** @file Light and sky: the sun, what the sky adds, clouds and haze. */
import type { RandomStream } from "../core/random.js";
import { pick } from "./materials.js";
import { blend, fbm2, mix, noise2, paint, type Rgb, rgb, smoothstep } from "./noise.js";
import type { Vec } from "./solids.js";

export interface Light {
  /** Unit vector towards the sun. */
  readonly sun: Vec;
  readonly sunlight: Rgb;
  /** Light from above and from below, for faces that look there. */
  readonly above: Rgb;
  readonly below: Rgb;
  /** Angular radius of the sun, radians: the width of penumbras. */
  readonly soft: number;
}

export interface Sky {
  readonly zenith: Rgb;
  readonly horizon: Rgb;
  readonly cover: number;
  /** Share of light lost a metre. */
  readonly haze: number;
  readonly grain: number;
}

interface Weather {
  zenith: string;
  horizon: string;
  sunlight: string;
  strength: number;
  ambient: number;
  /** Height of the sun above the horizon, radians. */
  height: readonly [number, number];
  cover: readonly [number, number];
  haze: number;
  soft: number;
}

const WEATHERS: readonly Weather[] = [
  {
    zenith: "#2c62ad",
    horizon: "#a5c6e2",
    sunlight: "#fff3dc",
    strength: 2.5,
    ambient: 0.62,
    height: [0.6, 1.1],
    cover: [0.25, 0.6],
    haze: 0.004,
    soft: 0.012,
  },
  {
    zenith: "#3d74b8",
    horizon: "#b8d0e0",
    sunlight: "#fff0d0",
    strength: 2.4,
    ambient: 0.66,
    height: [0.45, 0.9],
    cover: [0, 0.4],
    haze: 0.007,
    soft: 0.012,
  },
  {
    zenith: "#4d6f9e",
    horizon: "#f2c48c",
    sunlight: "#ffb870",
    strength: 2.6,
    ambient: 0.5,
    height: [0.2, 0.38],
    cover: [0.3, 0.65],
    haze: 0.009,
    soft: 0.02,
  },
  {
    zenith: "#8a97a5",
    horizon: "#c6ccd2",
    sunlight: "#fff8f0",
    strength: 0.6,
    ambient: 1.25,
    height: [0.7, 1.2],
    cover: [0.75, 1],
    haze: 0.009,
    soft: 0.1,
  },
  {
    zenith: "#86a6cb",
    horizon: "#dfe1de",
    sunlight: "#ffe6bf",
    strength: 1.7,
    ambient: 0.95,
    height: [0.3, 0.6],
    cover: [0.1, 0.4],
    haze: 0.022,
    soft: 0.04,
  },
];

const INDOORS: Weather = {
  zenith: "#b9c6d6",
  horizon: "#d8d2c6",
  sunlight: "#ffeacc",
  strength: 1.5,
  ambient: 0.85,
  height: [0.35, 0.6],
  cover: [0, 0],
  haze: 0,
  soft: 0.03,
};

/** Sun and sky of one scene; the sun never stands straight ahead, so that things show a lit side. */
export function weather(random: RandomStream, indoors: boolean): { light: Light; sky: Sky } {
  const kind = indoors ? INDOORS : pick(random, WEATHERS);
  const side = random.uniform() < 0.5 ? -1 : 1;
  const turn = side * random.uniform(0.9, 2.5); // from straight ahead
  const height = random.uniform(...kind.height);
  const sunlight = rgb(kind.sunlight);
  const [zenith, horizon] = [rgb(kind.zenith), rgb(kind.horizon)];
  paint(sunlight, sunlight, kind.strength);
  const above: Rgb = { r: 0, g: 0, b: 0 };
  paint(above, zenith, kind.ambient);
  blend(above, horizon, 0.5, kind.ambient);
  const below: Rgb = { r: 0, g: 0, b: 0 };
  paint(below, rgb("#b0a58c"), 0.35 * kind.ambient + 0.08 * kind.strength);
  return {
    light: {
      sun: [Math.sin(turn) * Math.cos(height), Math.sin(height), Math.cos(turn) * Math.cos(height)],
      sunlight,
      above,
      below,
      soft: kind.soft,
    },
    sky: { zenith, horizon, cover: random.uniform(...kind.cover), haze: kind.haze, grain: random.integer(1 << 20) },
  };
}

const CLOUD_LIT: Rgb = { r: 0.95, g: 0.94, b: 0.93 };

/** The sky in a direction, clouds included. */
export function skyColour(sky: Sky, light: Light, dx: number, dy: number, dz: number, out: Rgb): void {
  const up = Math.max(0, dy);
  paint(out, sky.horizon);
  blend(out, sky.zenith, 1 - Math.exp(-3.2 * up));
  const toSun = dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2];
  if (toSun > 0) blend(out, light.sunlight, 0.35 * toSun ** 12);
  if (sky.cover === 0 || up < 0.01) return;
  // clouds lie in a plane above; its perspective makes them flat and dense at the horizon
  const [u, v] = [(1.4 * dx) / (up + 0.12), (1.4 * dz) / (up + 0.12)];
  const drift = 0.6 * noise2(0.7 * u, 0.7 * v, sky.grain + 50);
  const density = fbm2(u + drift, v, 6, sky.grain) + 1.15 * sky.cover - 0.62;
  const shade = smoothstep(0, 0.18, density);
  if (shade === 0) return;
  // lit where the cloud is thinner towards the sun
  const toward = fbm2(u + drift + 0.16 * light.sun[0], v + 0.16 * light.sun[2], 4, sky.grain) + 1.15 * sky.cover - 0.62;
  const lit = smoothstep(0.5, -0.25, toward - 0.35 * density) * 0.6 + 0.4 * smoothstep(1, 0.1, density);
  const gain = mix(0.42, 1, lit);
  const cloud: Rgb = {
    r: CLOUD_LIT.r * gain * mix(1, light.sunlight.r / Math.max(1, light.sunlight.r), 0.5),
    g: CLOUD_LIT.g * gain * mix(1, light.sunlight.g / Math.max(1, light.sunlight.r), 0.5),
    b: CLOUD_LIT.b * gain * mix(1, light.sunlight.b / Math.max(1, light.sunlight.r), 0.5),
  };
  blend(out, cloud, shade * smoothstep(0.01, 0.12, up) * 0.95);
  blend(out, sky.horizon, 0.6 * Math.exp(-14 * up));
}

const CRAG = rgb("#6e675f");
const WOODS = rgb("#3c4d2c");
const SNOW = rgb("#f0f2f6");

/** Tangent of the height of a mountain layer's ridge in the direction `turn` (radians from straight ahead). */
function ridge(layer: number, turn: number, grain: number): number {
  const base = 0.055 + 0.075 * layer;
  return (
    base + (0.05 + 0.05 * layer) * (fbm2(turn * (2.6 - 0.5 * layer) + 40 * layer, 3.7, 6, grain + 7 * layer) + 0.15)
  );
}

/**
 * The mountains behind everything, three layers from near to far.
 * @returns false where the sky shows
 */
export function mountainColour(sky: Sky, light: Light, dx: number, dy: number, dz: number, out: Rgb): boolean {
  const turn = Math.atan2(dx, dz);
  const height = dy / Math.hypot(dx, dz);
  for (let layer = 0; layer < 3; layer++) {
    const top = ridge(layer, turn, sky.grain);
    if (height > top) continue;
    const [u, v] = [turn * 30, height * 60];
    const slope =
      fbm2(u, v, 5, sky.grain + layer) +
      0.6 * (ridge(layer, turn + 0.02, sky.grain) - top) * 40 * Math.sign(-light.sun[0]);
    const relief = 0.75 + 0.4 * slope;
    const green = layer < 2 ? smoothstep(0.8, 0.2, height / top + 0.3 * fbm2(u, v, 3, 9)) : 0;
    paint(out, CRAG, relief);
    blend(out, WOODS, 0.85 * green, relief);
    const snow = layer === 2 ? smoothstep(0.1, 0.14, height + 0.04 * slope) : 0;
    blend(out, SNOW, snow, 0.6 + 0.4 * relief);
    const sunny = 0.35 + 0.65 * Math.max(0.1, light.sun[1]);
    out.r *= sunny * (0.3 * light.sunlight.r + light.above.r);
    out.g *= sunny * (0.3 * light.sunlight.g + light.above.g);
    out.b *= sunny * (0.3 * light.sunlight.b + light.above.b);
    blend(out, sky.horizon, Math.min(0.92, 0.22 + 0.22 * layer + 12 * sky.haze));
    return true;
  }
  return false;
}
