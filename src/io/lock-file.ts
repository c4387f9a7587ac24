/** @file One run per directory: a lock file that names its process, and that a dead process cannot hold. */

import { readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { InputError } from "../core/errors.js";
import { errorCode, fileFault } from "./file-fault.js";

export const LOCK_NAME = "run.lock";

interface Holder {
  pid: number;
  host: string;
  /** Start time of the process in clock ticks since boot, which tells a reused pid; only where /proc exists. */
  start?: string;
}

/** State and start time of a process out of /proc (fields 3 and 22 of `stat`); undefined where there is none. */
function processStat(pid: number): { state: string; start: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // the name in parentheses may hold spaces
    return { state: fields[0], start: fields[19] };
  } catch {
    return undefined;
  }
}

/** Whether a process of this machine runs; a zombie (killed, not yet collected) does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return errorCode(error) === "EPERM"; // alive, but another user's
  }
  return !["Z", "X"].includes(processStat(pid)?.state ?? "");
}

function parseHolder(text: string): Holder | undefined {
  try {
    const { pid, host, start } = JSON.parse(text) as Partial<Holder>;
    return Number.isInteger(pid) && pid! > 0 && typeof host === "string" ? { pid: pid!, host, start } : undefined;
  } catch {
    return undefined;
  }
}

/** A holder on another machine cannot be asked: it counts as alive. */
function isHeldBy({ pid, host, start }: Holder): boolean {
  if (host !== hostname()) return true;
  const now = processStat(pid)?.start;
  return isAlive(pid) && (start === undefined || now === undefined || start === now);
}

/** The lock's text; a lock that is still empty (its process is just writing it, or died doing so) gets a moment. */
async function readLock(path: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const text = readFileSync(path, "utf8");
    if (parseHolder(text) || attempt === 5) return text;
    await sleep(20);
  }
}

/** Whether a live process, as far as can be known, holds the lock of a directory. */
export function isLocked(directory: string): boolean {
  try {
    const holder = parseHolder(readFileSync(join(directory, LOCK_NAME), "utf8"));
    return holder !== undefined && isHeldBy(holder);
  } catch {
    return false;
  }
}

/** Takes away a dead process's lock, unless another process replaced it since it was read. */
function removeStale(path: string, text: string): void {
  const aside = `${path}.${process.pid}`;
  renameSync(path, aside);
  if (readFileSync(aside, "utf8") === text) unlinkSync(aside);
  else renameSync(aside, path);
}

/** Frees the lock if it still is ours. */
function removeOwn(path: string, text: string): void {
  try {
    if (readFileSync(path, "utf8") === text) unlinkSync(path);
  } catch {
    // The directory is gone, and the lock with it.
  }
}

/**
 * Locks a directory for this process until `release` is called or the process exits. The lock of a dead process is
 * taken over.
 * @returns release
 * @throws InputError when a live process holds the lock, or when the directory cannot be written
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const path = join(directory, LOCK_NAME);
  const own: Holder = { pid: process.pid, host: hostname(), start: processStat(process.pid)?.start };
  const text = `${JSON.stringify(own)}\n`;
  for (;;) {
    try {
      writeFileSync(path, text, { flag: "wx" });
      break;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw fileFault(error, path, "a run directory that can be written");
    }
    try {
      const found = await readLock(path);
      const holder = parseHolder(found);
      if (holder && isHeldBy(holder)) throw heldError(directory, path, holder);
      removeStale(path, found);
    } catch (error) {
      // ENOENT: just freed.
      if (errorCode(error) !== "ENOENT") throw fileFault(error, path, "a lock file that can be read");
    }
  }
  const release = () => {
    process.off("exit", release);
    removeOwn(path, text);
  };
  process.once("exit", release);
  return release;
}

function heldError(directory: string, path: string, { pid, host }: Holder): InputError {
  const here = host === hostname();
  return new InputError({
    where: directory,
    expected: "a directory that no other run is using",
    found: `a lock held by process ${pid}${here ? "" : ` on ${host}`}`,
    fix: here ? "Wait for that run, stop it, or choose another directory." : `If that run is dead, delete ${path}.`,
  });
}
