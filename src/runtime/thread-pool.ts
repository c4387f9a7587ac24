/**
 * @file Native runs, image decoding and file access share libuv's thread pool, whose size is fixed before Node starts.
 */

/** Threads for sharp, files and DNS beside the runs. */
const SPARE_THREADS = 4;

const DEFAULT_POOL = 4;

/** The UV_THREADPOOL_SIZE with which `cores` runs at once leave room for everything else. */
function threadPoolSize(cores: number): number {
  return cores + SPARE_THREADS;
}

/** What is wrong with this process's thread pool for `cores` concurrent runs; undefined when it is large enough. */
export function threadPoolFault(cores: number): string | undefined {
  const size = Number(process.env.UV_THREADPOOL_SIZE ?? DEFAULT_POOL);
  if (size >= threadPoolSize(cores)) return undefined;
  return (
    `UV_THREADPOOL_SIZE is ${size}; ${cores} concurrent runs need ${threadPoolSize(cores)}. Set it before Node ` +
    "starts."
  );
}
