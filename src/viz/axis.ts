/** @file Axes: from a range of values to round ticks, their labels, and positions on the page. */

export interface Tick {
  value: number;
  label: string;
}

export interface Axis {
  /** Ends of the axis in data units. */
  readonly low: number;
  readonly high: number;
  readonly log: boolean;
  readonly ticks: readonly Tick[];
}

const MINUS = "\u2212";
/** Smaller magnitudes are drawn as zero. */
const TINY = 1e-100;

/** A linear axis over `values`. `round` widens it to whole ticks; otherwise it ends exactly at the extremes. */
export function linearAxis(values: readonly number[], ticks: number, round: boolean): Axis {
  let [low, high] = extent(values);
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (size < TINY || high - low <= 1e-9 * size) {
    const margin = size < TINY ? 1 : 0.1 * size;
    [low, high] = [low - margin, high + margin];
  }
  const whole = values.every(Number.isInteger);
  const step = Math.max(niceStep((high - low) / ticks), whole ? 1 : 0);
  if (round) [low, high] = [Math.floor(low / step + 1e-9) * step, Math.ceil(high / step - 1e-9) * step];
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  const at = Array.from({ length: count }, (_, i) => (first + i) * step);
  return { low, high, log: false, ticks: at.map((value) => ({ value, label: tickLabel(value, step, at) })) };
}

/** A logarithmic axis over positive `values`: decades, or steps of 1, 2, 5 where the range holds few decades. */
export function logAxis(values: readonly number[], ticks: number): Axis {
  const [least, most] = extent(values);
  let [first, last] = [Math.floor(Math.log10(least) + 1e-9), Math.ceil(Math.log10(most) - 1e-9)];
  if (first === last) last++;
  const every = Math.ceil((last - first) / ticks);
  const mantissas = last - first <= 2 ? [1, 2, 5] : [1];
  const at: number[] = [];
  for (let decade = first; decade <= last; decade += every) at.push(...mantissas.map((m) => m * 10 ** decade));
  const within = at.filter((value) => value <= 10 ** last * (1 + 1e-9));
  return {
    low: 10 ** first,
    high: 10 ** last,
    log: true,
    ticks: within.map((value) => ({ value, label: plain(value) })),
  };
}

/** Where a value lies along the axis: 0 at its low end, 1 at its high end. */
export function along({ low, high, log }: Axis, value: number): number {
  return log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
}

/** A value to some significant digits, as people write it. */
export function plain(value: number, digits = 4): string {
  return Number(value.toPrecision(digits)).toString().replaceAll("-", MINUS);
}

/** The smallest of 1, 2, 5 times a power of ten that is at least `step`. */
function niceStep(step: number): number {
  const decade = 10 ** Math.floor(Math.log10(step));
  return decade * ([1, 2, 5].find((m) => m * decade >= step * (1 - 1e-9)) ?? 10);
}

/** One unit (none, k, M, G) and one number of decimals for all ticks of an axis. */
function tickLabel(value: number, step: number, all: readonly number[]): string {
  if (value === 0) return "0";
  const largest = Math.max(...all.map(Math.abs));
  if (step < 1e-4) return plain(value, Math.ceil(Math.log10(largest / step)) + 1);
  const [unit, suffix] =
    largest >= 1e9 ? [1e9, "G"] : largest >= 1e6 ? [1e6, "M"] : largest >= 1e4 ? [1e3, "k"] : [1, ""];
  const decimals = Math.max(0, -Math.floor(Math.log10(step / unit) + 1e-9));
  return (value / unit).toFixed(decimals).replace("-", MINUS) + suffix;
}

function extent(values: readonly number[]): [number, number] {
  return [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
}
