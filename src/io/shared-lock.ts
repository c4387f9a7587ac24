/** @file Jobs that run side by side, and now and then one that must be alone. */

export interface SharedLock {
  /** Runs a job beside others, as soon as no job that must be alone is under way or waiting. */
  shared<T>(job: () => Promise<T>): Promise<T>;
  /** Runs a job when those under way have ended; later ones wait for it. */
  alone<T>(job: () => Promise<T>): Promise<T>;
}

export function createSharedLock(): SharedLock {
  const running = new Set<Promise<unknown>>();
  let last: Promise<unknown> | undefined; // of the jobs that must be alone
  return {
    async shared(job) {
      while (last) await last;
      const work = job();
      running.add(work);
      try {
        return await work;
      } finally {
        running.delete(work);
      }
    },
    alone(job) {
      const before = last;
      const work = (async () => {
        await before;
        await Promise.allSettled(running);
        return job();
      })();
      const ended: Promise<unknown> = work
        .catch(() => {})
        .then(() => {
          if (last === ended) last = undefined;
        });
      last = ended;
      return work;
    },
  };
}
