/** @file Text in pictures, drawn with strokes of our own, so that no picture depends on the fonts of a machine. */

import type { Image, Rgb, Size } from "../core/image.js";

/**
 * Strokes of each character, separated by blanks: pairs of digits x, y on a grid with capitals from y = 0 to the
 * baseline y = 6, small letters from 2, descenders to 8. A single pair is a dot.
 */
const GLYPHS: Readonly<Record<string, string>> = {
  A: "062046 1434",
  B: "06003041423303 3344453606",
  C: "4130100105163645",
  D: "00304145360600",
  E: "40000646 0333",
  F: "400006 0333",
  G: "41301001051636454323",
  H: "0006 4046 0343",
  I: "0006",
  J: "3035261605",
  K: "0006 4004 1346",
  L: "000646",
  M: "0600234046",
  N: "06004640",
  O: "103041453616050110",
  P: "06003041423303",
  Q: "103041453616050110 2446",
  R: "06003041423303 2346",
  S: "413010010213334445361605",
  T: "0040 2026",
  U: "000516364540",
  V: "002640",
  W: "0016325660",
  X: "0046 4006",
  Y: "002340 2326",
  Z: "00400646",
  a: "12223336 341405162635",
  b: "0006 0312223335261605",
  c: "3322120305162635",
  d: "3036 3322120305162635",
  e: "04343322120305162635",
  f: "30201116 0222",
  g: "3237281807 3322120305162635",
  h: "0006 0312223336",
  i: "0206 00",
  j: "121708 10",
  k: "0006 3205 1436",
  l: "000516",
  m: "0206 03122326 23324346",
  n: "0206 0312223336",
  o: "122233352616050312",
  p: "0208 0312223335261605",
  q: "3238 3322120305162635",
  r: "0206 031222",
  s: "33221203142435261605",
  t: "101526 0222",
  u: "0205162635 3236",
  v: "022642",
  w: "0216243642",
  x: "0236 3206",
  y: "0226 4218",
  z: "02320636",
  "0": "102031352616050110",
  "1": "011016",
  "2": "01102031320636",
  "3": "0110203132233435261605",
  "4": "26200434",
  "5": "300003233435261605",
  "6": "312010010516263534231304",
  "7": "003016",
  "8": "102031322313020110 2334352616050413",
  "9": "051626353120100102132332",
  ".": "06",
  ",": "1607",
  ":": "03 06",
  "'": "0001",
  "-": "0424",
  _: "0737",
  "/": "3006",
  "+": "2226 0444",
  "=": "0333 0535",
  "(": "10010516",
  ")": "00111506",
  "%": "4006 01 45",
  "&": "4612112031320405162644",
  "#": "1016 3036 0242 0444",
  "?": "01102031322324 26",
  " ": "",
};

const [CAP, DESCENT] = [6, 2];
/** Between characters, and the width of a blank, in units of the grid. */
const [GAP, BLANK] = [2, 2];

interface Stroke {
  readonly points: readonly (readonly [x: number, y: number])[];
}

interface Glyph {
  readonly strokes: readonly Stroke[];
  readonly width: number;
}

const parsed = new Map<string, Glyph>();

function glyph(character: string): Glyph {
  const known = parsed.get(character);
  if (known) return known;
  const strokes = (GLYPHS[character] ?? GLYPHS["?"])
    .split(" ")
    .filter((text) => text.length > 0)
    .map((text) => ({
      points: (text.match(/../g) ?? []).map((pair) => [Number(pair[0]), Number(pair[1])] as const),
    }));
  const width = strokes.length === 0 ? BLANK : Math.max(...strokes.flatMap(({ points }) => points.map(([x]) => x)));
  const made = { strokes, width };
  parsed.set(character, made);
  return made;
}

/** Characters that can be drawn: accents go, anything else unknown becomes "?". */
function drawable(text: string): string[] {
  return Array.from(text.normalize("NFKD").replace(/\p{M}/gu, ""), (c) => (c in GLYPHS ? c : "?"));
}

/** Width and height in pixels of a text whose capitals are `size` pixels high, descenders included. */
export function textSize(text: string, size: number): Size {
  const units = drawable(text).reduce((sum, c) => sum + glyph(c).width + GAP, -GAP);
  const thickness = strokeWidth(size);
  return {
    width: Math.ceil((units * size) / CAP + thickness),
    height: Math.ceil(((CAP + DESCENT) * size) / CAP + thickness),
  };
}

/** Thin enough for counters to stay open, never thinner than a pixel. */
const strokeWidth = (size: number) => Math.max(1.2, 0.14 * size);

function distanceToSegment(x: number, y: number, [ax, ay]: readonly number[], [bx, by]: readonly number[]): number {
  const [dx, dy] = [bx - ax, by - ay];
  const length = dx * dx + dy * dy;
  const t = length === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * dx + (y - ay) * dy) / length));
  return Math.hypot(x - ax - t * dx, y - ay - t * dy);
}

/** Draws a text in place, its box (`textSize`) at (left, top); what lies outside the picture is cut off. */
export function drawText(
  { width, height, data }: Image,
  text: string,
  { left, top, size, color }: { left: number; top: number; size: number; color: Rgb },
): void {
  const scale = size / CAP;
  const radius = strokeWidth(size) / 2;
  let pen = left + radius;
  for (const character of drawable(text)) {
    const { strokes, width: units } = glyph(character);
    const lines = strokes.flatMap(({ points }) => {
      const placed = points.map(([x, y]) => [pen + x * scale, top + radius + y * scale] as const);
      return placed.length === 1 ? [[placed[0], placed[0]]] : placed.slice(1).map((to, i) => [placed[i], to]);
    });
    const [x0, x1] = [Math.max(0, Math.floor(pen - radius - 1)), pen + units * scale + radius + 1];
    const [y0, y1] = [Math.max(0, Math.floor(top - 1)), top + 2 * radius + (CAP + DESCENT) * scale + 1];
    for (let y = y0; y < Math.min(height, y1); y++) {
      for (let x = x0; x < Math.min(width, x1); x++) {
        const distance = Math.min(...lines.map(([a, b]) => distanceToSegment(x + 0.5, y + 0.5, a, b)));
        // A pixel is covered as far as the stroke's edge reaches into it.
        const cover = Math.min(1, Math.max(0, radius + 0.5 - distance));
        const at = 3 * (y * width + x);
        if (cover > 0) for (let c = 0; c < 3; c++) data[at + c] += Math.round(cover * (color[c] - data[at + c]));
      }
    }
    pen += (units + GAP) * scale;
  }
}
