/** @file Polygons cut to a rectangle (Sutherland and Hodgman, CACM 1974). */

/** Corners on the side of a line where `sign * (coordinate - bound) >= 0`, and where the outline crosses the line. */
function clipSide(polygon: readonly number[], axis: 0 | 1, bound: number, sign: 1 | -1): number[] {
  const kept: number[] = [];
  for (let i = 0; i < polygon.length; i += 2) {
    const next = (i + 2) % polygon.length;
    const here = sign * (polygon[i + axis] - bound);
    const there = sign * (polygon[next + axis] - bound);
    if (here >= 0) kept.push(polygon[i], polygon[i + 1]);
    if (here >= 0 !== there >= 0) {
      const along = here / (here - there);
      const crossing = [0, 1].map((k) => polygon[i + k] + along * (polygon[next + k] - polygon[i + k]));
      crossing[axis] = bound;
      kept.push(...crossing);
    }
  }
  return kept;
}

/** Twice the area that an outline encloses, by the shoelace formula. */
function doubleArea(polygon: readonly number[]): number {
  let sum = 0;
  for (let i = 0; i < polygon.length; i += 2) {
    const next = (i + 2) % polygon.length;
    sum += polygon[i] * polygon[next + 1] - polygon[next] * polygon[i + 1];
  }
  return Math.abs(sum);
}

/** A box of detectron2's threshold on each side (1e-5 pixels). */
const NO_AREA = 1e-10;

/**
 * The part of a polygon, [x0, y0, x1, y1, ...], within [0, width] x [0, height]; undefined where that has no area.
 * Parts that fall apart stay joined along the border, which encloses nothing.
 */
export function clipPolygon(polygon: readonly number[], width: number, height: number): number[] | undefined {
  const left = clipSide(polygon, 0, 0, 1);
  const right = clipSide(left, 0, width, -1);
  const top = clipSide(right, 1, 0, 1);
  const whole = clipSide(top, 1, height, -1);
  return doubleArea(whole) > 2 * NO_AREA ? whole : undefined;
}
