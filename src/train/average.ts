/** @file Reports of micro-batches put together. */

/** Element-wise mean in float64, in the order given; undefined when nobody reported. */
export function averageOf(values: readonly (Float32Array | undefined)[]): Float32Array | undefined {
  const present = values.filter((v) => v !== undefined);
  if (present.length === 0) return undefined;
  return present[0].map((_, i) => present.reduce((sum, v) => sum + v[i], 0) / present.length);
}
