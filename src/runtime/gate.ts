/** @file Limits how many asynchronous jobs are under way at once. */

/** Runs a job as soon as fewer than `width` others are under way, in the order of the calls. */
export type Gate = <T>(job: () => Promise<T>) => Promise<T>;

export function createGate(width: number): Gate {
  const waiting: (() => void)[] = [];
  let free = width;
  return async (job) => {
    if (free > 0) free--;
    else await new Promise<void>((enter) => waiting.push(enter));
    try {
      return await job();
    } finally {
      // A place that is given up goes straight to the next in line.
      const next = waiting.shift();
      if (next) next();
      else free++;
    }
  };
}
