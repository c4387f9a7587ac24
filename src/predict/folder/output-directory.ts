/** @file The folder that `predict` fills: whether it may, and what belongs to it. */

import { readdir, readFile, realpath, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { InputError } from "../../core/errors.js";
import { exists, removeStaleTemporaries, writeFileAtomic } from "../../io/atomic-file.js";
import { makeFolder, removeMadeFolders } from "../../io/folder.js";
import { LOCK_NAME, lockDirectory } from "../../io/lock-file.js";

/** Everything that predictions consist of. `summary` says whose folder it is. */
export const PREDICTION_FILES = {
  summary: "predictions.json",
  page: "index.html",
  semantic: "semantic",
  panoptic: "panoptic",
  panopticJson: "panoptic.json",
  instance: "instance",
  instancesJson: "instances.json",
} as const;

/** Says whose file the summary is. */
export const KIND = "mask-jepa predictions";

export interface OutputOptions {
  /** Places of the images, none of which may hold the folder. */
  readonly images: readonly string[];
  readonly overwrite: boolean;
}

/**
 * Makes the folder ready, locks it and does the work in it. Overwriting removes earlier predictions, nothing else. When the
 * work fails before anything is predicted, nothing stays that would stand in the way of the next try.
 * @param work is handed a function to call when there is something to keep
 * @throws InputError when it holds predictions (unless they may be overwritten) or anything else, or lies among the images
 */
export async function inOutputDirectory<T>(
  out: string,
  { images, overwrite }: OutputOptions,
  work: (keep: () => void) => Promise<T>,
): Promise<T> {
  const earlier = await refuseForeignFiles(out, overwrite);
  const firstMade = await makeFolder(out, `--out ${out}`);
  let kept = false;
  try {
    await refuseAmongImages(out, images);
    const release = await lockDirectory(out);
    try {
      if (earlier) await removePredictions(out);
      await removeStaleTemporaries(out);
      // From the first moment the folder says what it is, so that an interrupted run can be repeated.
      await writeFileAtomic(
        join(out, PREDICTION_FILES.summary),
        `${JSON.stringify({ kind: KIND, complete: false })}\n`,
      );
      return await work(() => {
        kept = true;
      });
    } catch (error) {
      if (!kept) await removePredictions(out).catch(() => {}); // the first error says more
      throw error;
    } finally {
      release();
    }
  } catch (error) {
    if (!kept) await removeMadeFolders(out, firstMade);
    throw error;
  }
}

async function removePredictions(out: string): Promise<void> {
  for (const name of Object.values(PREDICTION_FILES)) await rm(join(out, name), { recursive: true, force: true });
}

/** Whether the folder holds earlier predictions. */
async function refuseForeignFiles(out: string, overwrite: boolean): Promise<boolean> {
  if (!(await exists(out))) return false;
  const listed = await readdir(out).catch((error: NodeJS.ErrnoException) => {
    const found = error.code === "ENOTDIR" ? "a file" : `one that cannot be read (${error.code})`;
    throw new InputError({ where: `--out ${out}`, expected: "a folder, or a name that is free", found });
  });
  const entries = listed.filter((name) => name !== LOCK_NAME);
  if (entries.length === 0) return false;
  if (await isOurs(join(out, PREDICTION_FILES.summary))) {
    if (overwrite) return true;
    throw new InputError({
      where: `--out ${out}`,
      expected: "a new or empty folder",
      found: "earlier predictions",
      fix: "Replace them with --overwrite, or choose another folder.",
    });
  }
  throw new InputError({
    where: `--out ${out}`,
    expected: "a new or empty folder",
    found: `${entries.length} files that are no predictions, such as ${entries[0]}`,
    fix: "Choose another folder.",
  });
}

async function isOurs(path: string): Promise<boolean> {
  try {
    return (JSON.parse(await readFile(path, "utf8")) as { kind?: unknown } | null)?.kind === KIND;
  } catch {
    return false;
  }
}

/** Pictures of predictions would be predicted the next time. */
async function refuseAmongImages(out: string, images: readonly string[]): Promise<void> {
  const place = await realpath(out);
  for (const folder of images) {
    const root = await realpath(folder).catch(() => undefined); // the source says what is wrong with it
    if (root === undefined || (place !== root && !place.startsWith(root + sep))) continue;
    throw new InputError({
      where: `--out ${out}`,
      expected: "a folder outside those of the images",
      found: `one inside ${folder}`,
      fix: "Choose another folder.",
    });
  }
}
