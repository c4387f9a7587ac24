/** @file Micro-batches side by side, put together in their order. */

/**
 * Computes the pieces 0 .. count - 1, each in a free one of `lanes` lanes, and hands each to `fold` in the order of the
 * pieces, whatever ends first: no bit of the result depends on the number of lanes. A lane is free again when its piece
 * is folded; up to `lanes` pieces get the lane of their own number.
 * @returns what the pieces answered, in their order
 * @throws the error of the first piece that failed, when nothing is in flight any more
 */
export async function inOrder<T>(
  count: number,
  lanes: number,
  compute: (piece: number, lane: number) => Promise<T>,
  fold: (piece: number, lane: number) => Promise<void>,
): Promise<T[]> {
  const free = Array.from({ length: lanes }, (_, lane) => lane);
  const waiting: ((lane: number) => void)[] = [];
  const acquire = () => {
    const lane = free.shift();
    return lane === undefined ? new Promise<number>((resolve) => waiting.push(resolve)) : Promise.resolve(lane);
  };
  const release = (lane: number) => {
    const next = waiting.shift();
    if (next) next(lane);
    else free.push(lane);
  };
  const take = async (piece: number, lane: number, before: Promise<unknown> | undefined): Promise<T> => {
    try {
      const result = await compute(piece, lane);
      await before;
      await fold(piece, lane);
      return result;
    } finally {
      release(lane);
    }
  };
  const running: Promise<T>[] = [];
  for (let piece = 0; piece < count; piece++) {
    const done = take(piece, await acquire(), running.at(-1));
    done.catch(() => {}); // thrown below
    running.push(done);
  }
  const settled = await Promise.allSettled(running);
  const failed = settled.find((outcome) => outcome.status === "rejected");
  if (failed) throw failed.reason;
  return Promise.all(running);
}
