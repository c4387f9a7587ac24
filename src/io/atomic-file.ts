/** @file Files and directories that appear whole or not at all: write beside, flush, rename, flush the directory. */

import { rmSync } from "node:fs";
import { mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { InputError } from "../core/errors.js";
import { ENDING_SIGNALS } from "./ending-signals.js";
import { errorCode, fileFault } from "./file-fault.js";
import { isAlive } from "./lock-file.js";

/** Writes all bytes at the end of the file. The bytes must not change until the promise settles. */
export type Write = (bytes: Uint8Array) => Promise<void>;

/** One system call writes less than 2 GiB. */
const CHUNK = 2 ** 28;

/** `.name.PID-COUNT.tmp`: hidden, unique, and tells whose it is. */
const TEMPORARY = /^\..+\.(\d+)-\d+\.tmp$/;
/** Whether a name is that of a file or directory in the making. */
export const isTemporary = (name: string): boolean => TEMPORARY.test(name);

const inProgress = new Set<string>();
let count = 0;

function temporaryBeside(path: string): string {
  return join(dirname(path), `.${basename(path)}.${process.pid}-${count++}.tmp`);
}

function removeAll(): void {
  for (const temporary of inProgress) {
    try {
      rmSync(temporary, { recursive: true, force: true });
    } catch {
      // Windows keeps a file that is open; a later write beside it removes it.
    }
  }
}

/** Ends as the signal does by itself, unless somebody else listens, who may want to go on. */
function onSignal(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  removeAll();
  process.off(signal, onSignal);
  process.kill(process.pid, signal);
}

function begin(temporary: string): void {
  inProgress.add(temporary);
  if (inProgress.size > 1) return;
  process.on("exit", removeAll);
  for (const signal of ENDING_SIGNALS) process.on(signal, onSignal);
}

function end(temporary: string): void {
  inProgress.delete(temporary);
  if (inProgress.size > 0) return;
  process.off("exit", removeAll);
  for (const signal of ENDING_SIGNALS) process.off(signal, onSignal);
}

/** Makes renames in a directory durable. Windows cannot open a directory, and needs no flush. */
async function syncDirectory(directory: string): Promise<void> {
  if (process.platform === "win32") return;
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Runs `use` with a new temporary name beside `path`, and removes what is there when it, or the process, ends. */
export async function withTemporary<T>(path: string, use: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = resolve(temporaryBeside(path));
  begin(temporary);
  try {
    return await use(temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true }).catch(() => {}); // an error of `use` says more
    end(temporary);
  }
}

/** Runs `produce` on a new temporary name beside `path`; its system errors are the path's. */
function viaTemporary(path: string, expected: string, produce: (temporary: string) => Promise<void>): Promise<void> {
  return withTemporary(path, (temporary) =>
    produce(temporary).catch((error: unknown) => {
      throw fileFault(error, path, expected);
    }),
  );
}

/**
 * Writes a file so that a reader sees the earlier file or the complete new one, whenever the process or the machine
 * dies.
 * @param content the bytes, UTF-8 text, or a function that writes them in pieces
 * @param inspect looks at the complete file, under another name, before it takes its place; the earlier file stays if
 * it throws
 * @throws InputError naming the file and the reason (no space, no permission, ...); the earlier file then stays
 */
export async function writeFileAtomic(
  path: string,
  content: string | Uint8Array | ((write: Write) => Promise<void>),
  inspect?: (temporary: string) => Promise<void>,
): Promise<void> {
  await viaTemporary(path, "a file that can be written", async (temporary) => {
    const file = await open(temporary, "wx");
    const write: Write = async (bytes) => {
      for (let done = 0; done < bytes.length; ) {
        done += (await file.write(bytes, done, Math.min(CHUNK, bytes.length - done))).bytesWritten;
      }
    };
    try {
      if (typeof content === "function") await content(write);
      else await write(typeof content === "string" ? new TextEncoder().encode(content) : content);
      const flushed = file.sync();
      flushed.catch(() => {}); // it is waited for below
      await inspect?.(temporary);
      await flushed;
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
  });
}

/** The name under which an earlier directory stands aside for the moment in which the new one takes its place. */
export function asideOf(path: string): string {
  return `${path}.replaced`;
}

/**
 * Fills a new directory beside `path` and renames it into place once complete. Directories cannot be exchanged in one
 * call, so an earlier one moves to `asideOf(path)` first: killed between the two renames, it is found there.
 * @param fill writes every file by `writeFileAtomic`, which flushes them
 * @throws InputError naming the directory and the reason; an earlier directory then stays
 */
export async function writeDirectoryAtomic(path: string, fill: (directory: string) => Promise<void>): Promise<void> {
  await viaTemporary(path, "a directory that can be written", async (temporary) => {
    await mkdir(temporary);
    await fill(temporary);
    if (await exists(path)) {
      await rm(asideOf(path), { recursive: true, force: true });
      await rename(path, asideOf(path));
    }
    await rename(temporary, path);
    await syncDirectory(dirname(path));
    await rm(asideOf(path), { recursive: true, force: true });
  });
}

/** Removes a directory so that no half of it is ever seen under its name. */
export async function removeDirectoryAtomic(path: string): Promise<void> {
  await viaTemporary(path, "a directory that can be removed", async (temporary) => {
    await rename(path, temporary);
    await rm(temporary, { recursive: true, force: true });
  });
}

/** Removes what earlier, dead processes left half-written in a directory; returns the names. */
export async function removeStaleTemporaries(directory: string): Promise<string[]> {
  try {
    const stale = (await readdir(directory)).filter((name) => {
      const pid = Number(TEMPORARY.exec(name)?.[1]);
      if (Number.isNaN(pid)) return false;
      return pid === process.pid ? !inProgress.has(resolve(directory, name)) : !isAlive(pid);
    });
    for (const name of stale) await rm(join(directory, name), { recursive: true, force: true });
    return stale;
  } catch (error) {
    throw fileFault(error, directory, "a directory that can be cleaned");
  }
}

export async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return false;
    throw fileFault(error, path, "a path that can be looked up");
  }
}

/** Bytes that this user can still write on the disk that holds, or will hold, `path`. */
export async function freeSpace(path: string): Promise<number> {
  let place = resolve(path);
  while (!(await exists(place)) && dirname(place) !== place) place = dirname(place);
  const { bavail, bsize } = await statfs(place);
  return bavail * bsize;
}

/** Throws `InputError` unless `bytes` fit on the disk of `path`. */
export async function requireSpace(path: string, bytes: number): Promise<void> {
  const free = await freeSpace(path);
  if (free >= bytes) return;
  const megabytes = (n: number) => `${Math.ceil(n / 1e6)} MB`;
  throw new InputError({
    where: path,
    expected: `${megabytes(bytes)} of free space`,
    found: megabytes(free),
    fix: "Free some space or choose another disk.",
  });
}
