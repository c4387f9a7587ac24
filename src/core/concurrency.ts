/** @file Jobs side by side. */

import pLimit from "p-limit";

/**
 * Works on all items, at most `atOnce` under way. After a failure, or when `stopped` says so, no more are begun.
 * @throws the failure of the first item that failed, when nothing is under way any more
 */
export async function eachOf<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
  stopped: () => boolean = () => false,
): Promise<void> {
  const limit = pLimit(atOnce);
  let failing = false;
  const runs = Array.from(items, (item) =>
    limit(async () => {
      if (failing || stopped()) return;
      try {
        await work(item);
      } catch (error) {
        failing = true;
        throw error;
      }
    }),
  );
  const failed = (await Promise.allSettled(runs)).find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Works on the items, at most `atOnce` under way or waiting for those before them, and hands the results out in order.
 */
export async function* inOrder<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<{ item: T; result: R }> {
  const started: Promise<R>[] = [];
  let next = 0;
  try {
    for (const item of items) {
      while (next < items.length && started.length < atOnce) {
        const result = work(items[next++]);
        result.catch(() => {}); // should an earlier one fail first, its error says more
        started.push(result);
      }
      yield { item, result: await started[0] };
      started.shift();
    }
  } finally {
    await Promise.allSettled(started); // what the jobs use may be given back only when none is under way
  }
}
