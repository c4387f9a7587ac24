/** @file Memory that is free and not yet given back. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loadLibrary } from "./foreign.js";

type Trim = (pad: number) => number;

let trim: Trim | undefined;

/** malloc_trim of glibc; nothing where the C library is another one, which has no need of it. */
function openTrim(): Trim {
  if (process.platform !== "linux") return () => 0;
  try {
    return loadLibrary(null).func("malloc_trim", "int", ["size_t"]) as Trim;
  } catch {
    return () => 0;
  }
}

/**
 * Gives the pages that were freed back to the system. A session consists of millions of small blocks; glibc keeps their
 * pages when it is gone, and those of the next one come on top: 460 MiB in place of 280 after a small model for 50
 * sizes of image.
 */
export function releaseFreedMemory(): void {
  trim ??= openTrim();
  trim(0);
}

let collect: (() => void) | undefined;

/**
 * A collection of garbage by V8, whose flag for it is set only after it has started: contexts made from then on have
 * it.
 */
export function collectGarbage(): void {
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
