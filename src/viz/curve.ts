/** @file Curves of many noisy values made drawable: gaps kept, noise smoothed, long runs thinned. */

export interface Point {
  x: number;
  /** NaN is a gap. */
  y: number;
}

/** Shorter curves are drawn as they are. */
const SMOOTHED_FROM = 30;
/** A curve is noisy when its ups and downs add up to more than this many times its range (once, if it only rises). */
const NOISY_TRAVEL = 3;
/** Half-width of the smoothing window as a share of the curve's length. */
const HALF_WINDOW = 0.02;

/** Pairs x with y; whatever cannot be drawn (not finite, or not positive on a log axis) becomes a gap. */
export function curvePoints(x: readonly number[], y: readonly number[], log: boolean): Point[] {
  return x.map((at, i) => {
    const drawable = Number.isFinite(at) && Number.isFinite(y[i]) && (!log || y[i] > 0);
    return { x: at, y: drawable ? y[i] : Number.NaN };
  });
}

export const isGap = ({ y }: Point): boolean => Number.isNaN(y);

/**
 * Running mean of a long, noisy curve; undefined for others, which are best drawn exactly. Gaps stay gaps. The window
 * is centred, and cut at the end. At the start it is a fifth as wide, so that a steep first fall is not blurred.
 */
export function smoothed(points: readonly Point[]): Point[] | undefined {
  const counts = [0];
  const sums = [0];
  points.forEach((point, i) => {
    counts.push(counts[i] + (isGap(point) ? 0 : 1));
    sums.push(sums[i] + (isGap(point) ? 0 : point.y));
  });
  const n = points.length;
  if (counts[n] < SMOOTHED_FROM || !isNoisy(points)) return undefined;
  const half = Math.max(2, Math.round(HALF_WINDOW * n));
  return points.map((point, i) => {
    if (isGap(point)) return point;
    const reach = Math.min(half, i + Math.ceil(half / 5));
    const from = Math.max(0, i - reach);
    const to = Math.min(n, i + reach + 1);
    return { x: point.x, y: (sums[to] - sums[from]) / (counts[to] - counts[from]) };
  });
}

function isNoisy(points: readonly Point[]): boolean {
  const values = points.filter((point) => !isGap(point)).map(({ y }) => y);
  const range = values.reduce((a, b) => Math.max(a, b)) - values.reduce((a, b) => Math.min(a, b));
  const travel = values.reduce((sum, y, i) => sum + Math.abs(y - values[Math.max(0, i - 1)]), 0);
  return travel > NOISY_TRAVEL * range;
}

/**
 * At most `limit` points: both ends, and of each bucket of neighbours the lowest and the highest, so no peak is lost.
 */
export function thinned(points: readonly Point[], limit: number): readonly Point[] {
  if (points.length <= limit) return points;
  const end = points.length - 1;
  const size = Math.ceil((end - 1) / Math.floor((limit - 2) / 2));
  const kept = [points[0]];
  for (let start = 1; start < end; start += size) {
    const neighbours = points.slice(start, Math.min(start + size, end));
    const bucket = neighbours.filter((point) => !isGap(point));
    if (bucket.length === 0) {
      kept.push(neighbours[0]);
      continue;
    }
    const low = bucket.reduce((a, b) => (b.y < a.y ? b : a));
    const high = bucket.reduce((a, b) => (b.y > a.y ? b : a));
    kept.push(...(low === high ? [low] : low.x < high.x ? [low, high] : [high, low]));
  }
  return [...kept, points[end]];
}
