/** @file The folder of a run: what it holds, and whether a run may begin or go on in it. */

import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { exists, removeStaleTemporaries } from "../io/atomic-file.js";
import { LOCK_NAME, lockDirectory } from "../io/lock-file.js";

export type Start = "new" | "overwrite" | "resume";

/** Name of the resolved settings inside a run's folder. */
export const SETTINGS_FILE = "config.yaml";

/** Everything that a run writes into its folder. */
export const RUN_FILES = {
  settings: SETTINGS_FILE,
  metrics: "metrics.jsonl",
  skipped: "skipped.jsonl",
  failure: "failure.json",
  report: "report.html",
  events: "tensorboard",
  checkpoints: "checkpoints",
} as const;

/**
 * Makes the folder ready and locks it; call the result to unlock. Overwriting removes what a run has written, nothing else.
 * @throws InputError when the folder holds a run (or, for "new" and "overwrite", files that are no run's)
 */
export async function openRunDirectory(out: string, start: Start): Promise<() => void> {
  if (start !== "resume") await refuseForeignFiles(out, start);
  await mkdir(out, { recursive: true });
  const release = await lockDirectory(out);
  try {
    if (start === "overwrite") {
      for (const name of Object.values(RUN_FILES)) await rm(join(out, name), { recursive: true, force: true });
    }
    await rm(join(out, RUN_FILES.failure), { force: true }); // of an earlier try
    await removeStaleTemporaries(out);
  } catch (error) {
    release();
    throw error;
  }
  return release;
}

/** Whether the run in a folder got to its first checkpoint. */
export async function hasCheckpoint(out: string): Promise<boolean> {
  const names = await readdir(join(out, RUN_FILES.checkpoints)).catch(() => []);
  return names.some((name) => name.startsWith("step-"));
}

async function refuseForeignFiles(out: string, start: Start): Promise<void> {
  if (!(await exists(out))) return;
  const listed = await readdir(out).catch(() => {
    throw new InputError({ where: `--out ${out}`, expected: "a folder, or a name that is free", found: "a file" });
  });
  const entries = listed.filter((name) => name !== LOCK_NAME);
  if (await exists(join(out, RUN_FILES.settings))) {
    if (start === "overwrite") return;
    throw new InputError({
      where: `--out ${out}`,
      expected: "a folder without a run",
      found: "a run",
      fix: `Go on with it (--resume ${out}), replace it (--overwrite), or choose another folder.`,
    });
  }
  if (entries.length > 0) {
    throw new InputError({
      where: `--out ${out}`,
      expected: "a new or empty folder",
      found: `${entries.length} files that are no run's, such as ${entries[0]}`,
      fix: "Choose another folder.",
    });
  }
}
