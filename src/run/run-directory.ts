/** @file The folder of a run: what it holds, and whether a run may begin or go on in it. */

import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { removeLeftovers } from "../checkpoint/run-state.js";
import { InputError } from "../core/errors.js";
import { exists, isTemporary, writeFileAtomic } from "../io/atomic-file.js";
import { fileFault } from "../io/file-fault.js";
import { makeFolder, removeMadeFolders } from "../io/folder.js";
import { isLocked, LOCK_NAME, lockDirectory } from "../io/lock-file.js";
import { RUN_FILES, SETTINGS_HEADING } from "./run-files.js";

export type Start = "new" | "overwrite" | "resume";

/** A run's folder that this process has locked. */
export interface RunDirectory {
  /**
   * Makes the folder this run's: stores the settings and, unless the run goes on, removes what an earlier one left.
   * Everything that can fail is best done before.
   */
  begin(settings: string): Promise<void>;
}

/**
 * Locks the folder, which is made if need be, and does the work of a run in it. A run that fails before its first
 * checkpoint leaves nothing behind but what was there before; one that was killed before it counts as never begun.
 * @throws InputError when the folder holds a run (or, for "new" and "overwrite", files that are no run's)
 */
export async function inRunDirectory<T>(
  out: string,
  start: Start,
  work: (directory: RunDirectory) => Promise<T>,
): Promise<T> {
  if (start !== "resume") await refuseForeignFiles(out, start);
  const firstMade = await makeFolder(out, `--${start === "resume" ? "resume" : "out"} ${out}`);
  try {
    return await whileLocked(out, start, work);
  } catch (error) {
    await removeMadeFolders(out, firstMade);
    throw error;
  }
}

async function whileLocked<T>(out: string, start: Start, work: (directory: RunDirectory) => Promise<T>): Promise<T> {
  const release = await lockDirectory(out);
  let begun = false;
  try {
    await removeLeftovers(out);
    return await work({
      async begin(settings) {
        if (start !== "resume") {
          await refuseForeignFiles(out, start); // another run may have ended here since
          begun = true;
          await removeRun(out);
        }
        await rm(join(out, RUN_FILES.failure), { force: true }); // of an earlier try
        await writeFileAtomic(join(out, RUN_FILES.settings), settings);
      },
    });
  } catch (error) {
    if (begun && !(await hasCheckpoint(out))) await removeRun(out).catch(() => {}); // the first error says more
    throw error;
  } finally {
    release();
  }
}

/** Removes what a run has written, nothing else; the settings, which say whose the rest is, last. */
async function removeRun(out: string): Promise<void> {
  const { settings, ...others } = RUN_FILES;
  for (const name of [...Object.values(others), settings]) await rm(join(out, name), { recursive: true, force: true });
}

/** Whether the run in a folder got to its first checkpoint. */
export async function hasCheckpoint(out: string): Promise<boolean> {
  const names = await readdir(join(out, RUN_FILES.checkpoints)).catch(() => []);
  return names.some((name) => name.startsWith("step-"));
}

/**
 * Removes what killed processes left half-written in a run's folder, unless a run is using it or it cannot be written.
 */
export async function tidyRun(out: string): Promise<void> {
  if (isLocked(out)) return;
  await removeLeftovers(out).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
  });
}

async function holdsSettings(out: string): Promise<boolean> {
  const text = await readFile(join(out, RUN_FILES.settings), "utf8").catch(() => "");
  return text.startsWith(`# ${SETTINGS_HEADING}`);
}

async function refuseForeignFiles(out: string, start: Start): Promise<void> {
  if (!(await exists(out))) return;
  const where = `--out ${out}`;
  const listed = await readdir(out).catch((error: unknown) => {
    throw fileFault(error, where, "a folder, or a name that is free");
  });
  const wholeRun = await hasCheckpoint(out);
  if (start === "overwrite" && wholeRun) return;
  if (wholeRun) {
    throw new InputError({
      where,
      expected: "a folder without a run",
      found: "a run",
      fix: `Go on with it (--resume ${out}), replace it (--overwrite), or choose another folder.`,
    });
  }
  const foreign = listed.filter((name) => name !== LOCK_NAME && !isTemporary(name));
  if (foreign.length > 0 && !(await holdsSettings(out))) {
    throw new InputError({
      where,
      expected: "a new or empty folder",
      found: `${foreign.length} files that are no run's, such as ${foreign[0]}`,
      fix: "Choose another folder.",
    });
  }
}
