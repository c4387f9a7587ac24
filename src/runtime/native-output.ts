/** @file Keeps what native libraries print by themselves off the terminal. */
import { closeSync, openSync, readSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
import { loadLibrary } from "./foreign.js";

/** All of a file from its beginning, wherever its offset is. */
function contentsOf(file: number): string {
  const bytes = Buffer.alloc(MOST_TEXT);
  return bytes.toString("utf8", 0, readSync(file, bytes, 0, bytes.length, 0));
}

interface Descriptors {
  dup(descriptor: number): number;
  dup2(from: number, to: number): number;
  /** With null: writes out what C's buffers hold, of every stream. */
  fflush(stream: null): number;
  /** Linux: a file in memory without a name. */
  memfd_create?(name: string, flags: number): number;
}

let known: Descriptors | undefined;

function descriptors(): Descriptors {
  if (known) return known;
  const libc = loadLibrary(null);
  known = {
    dup: libc.func("int dup(int descriptor)"),
    dup2: libc.func("int dup2(int from, int to)"),
    fflush: libc.func("int fflush(void *stream)"),
    ...(process.platform === "linux" && {
      memfd_create: libc.func("int memfd_create(const char *name, uint32_t flags)"),
    }),
  };
  return known;
}

const MOST_TEXT = 1 << 16;

const [STANDARD_OUTPUT, STANDARD_ERROR] = [1, 2];

/**
 * Runs `job` with standard output and error turned away from the terminal, and returns what was printed meanwhile
 * (nothing where the system has no file in memory to keep it in). Nothing of ours gets in: `job` is synchronous, so no
 * other JavaScript of this thread runs. Everything is printed as usual in a worker thread, beside which others may
 * print, on Windows, and for whoever asks the Vulkan loader to talk (VK_LOADER_DEBUG).
 */
export function captureOutput(job: () => void): string {
  if (process.platform === "win32" || !isMainThread || process.env.VK_LOADER_DEBUG) {
    job();
    return "";
  }
  const { dup, dup2, fflush, memfd_create } = descriptors();
  const memory = memfd_create?.("mask-jepa", 0) ?? -1;
  const sink = memory < 0 ? openSync("/dev/null", "r+") : memory;
  const standard = [STANDARD_OUTPUT, STANDARD_ERROR].map((descriptor) => ({ descriptor, copy: dup(descriptor) }));
  fflush(null);
  for (const { descriptor } of standard) dup2(sink, descriptor);
  try {
    job();
  } finally {
    fflush(null);
    for (const { descriptor, copy } of standard) {
      dup2(copy, descriptor);
      closeSync(copy);
    }
  }
  const printed = contentsOf(sink);
  closeSync(sink);
  return printed;
}
