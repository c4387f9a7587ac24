/** @file What repeats of a measurement say. */

import { formatNumber } from "../src/viz/table.js";

/** NaN without values. */
export const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Standard error of the mean, from the sample's deviation; NaN for fewer than two values. */
export function standardError(values: readonly number[]): number {
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return values.length < 2 ? Number.NaN : Math.sqrt(squares / (values.length - 1) / values.length);
}

/** The differences of pairs that both have a value, e.g. two arms with one seed: what the seed does to both cancels out. */
export function paired(values: readonly (number | undefined)[], baseline: readonly (number | undefined)[]): number[] {
  return values.flatMap((value, i) => {
    const other = baseline[i];
    return value === undefined || other === undefined ? [] : [value - other];
  });
}

/** "42.1 ±0.4"; the error is left out where there is none. */
export function withError(values: readonly number[], { signed = false } = {}): string {
  if (values.length === 0) return "-";
  const error = standardError(values);
  const spread = Number.isNaN(error) ? "" : ` ±${formatNumber(error)}`;
  return `${formatNumber(mean(values), { difference: signed })}${spread}`;
}
