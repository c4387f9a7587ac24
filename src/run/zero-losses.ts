/** @file Notices losses that stay at 0: training has nothing to learn from. */

/** Steps in a row after which it is told; a shorter run is told at its end, unless it is too short to judge. */
const PATIENCE = 20;
const FEWEST = 5;

export type ZeroLossWatch = (losses: Readonly<Record<string, number>>) => string | undefined;

/**
 * Watches the losses of one step after the other.
 * @param steps steps that are to come
 * @returns is given the losses of a step; returns what to say, once
 */
export function watchZeroLosses(steps: number): ZeroLossWatch {
  const patience = Math.min(PATIENCE, Math.max(FEWEST, steps));
  const inRow = new Map<string, number>();
  let told = false;
  return (losses) => {
    for (const [name, value] of Object.entries(losses)) inRow.set(name, value === 0 ? (inRow.get(name) ?? 0) + 1 : 0);
    const names = [...inRow].filter(([, count]) => count >= patience).map(([name]) => name);
    if (told || names.length === 0) return undefined;
    told = true;
    const what = names.length === 1 ? `the loss ${names[0]} was` : `the losses ${names.join(", ")} were`;
    return (
      `${what} 0 in all of the last ${patience} steps: there may be nothing to learn in the data. See: mask-jepa ` +
      "data check --data DATA."
    );
  };
}
