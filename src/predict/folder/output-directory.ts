/** @file The folder that `predict` fills: whether it may, and what belongs to it. */

import { readdir, readFile, realpath, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { InputError } from "../../core/errors.js";
import { exists, removeStaleTemporaries, writeFileAtomic } from "../../io/atomic-file.js";
import { makeFolder, removeMadeFolders } from "../../io/folder.js";
import { LOCK_NAME, lockDirectory } from "../../io/lock-file.js";
import type { Task } from "../../masks/segmentation.js";

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

/** Sub-folders of a form's folder. */
export const OVERLAYS = "overlays";
export const LABELS = "labels";

/** A folder or a file of the results, and what it holds. */
export type Place = readonly [what: string, path: string];

/** Where the predictions of these forms are, beside the page. */
export function placesOf(out: string, forms: ReadonlySet<Task>): Place[] {
  const places: Place[] = [];
  for (const form of forms) {
    places.push([`${form} overlays`, join(out, PREDICTION_FILES[form], OVERLAYS)]);
    if (form !== "instance") places.push([`${form} labels`, join(out, PREDICTION_FILES[form], LABELS)]);
  }
  if (forms.has("panoptic")) places.push(["COCO panoptic", join(out, PREDICTION_FILES.panopticJson)]);
  if (forms.has("instance")) places.push(["COCO instances", join(out, PREDICTION_FILES.instancesJson)]);
  return [...places, ["what belongs to what", join(out, PREDICTION_FILES.summary)]];
}

/** Makes the folders that `writeImage` writes into. */
export async function makeFormFolders(out: string, forms: ReadonlySet<Task>): Promise<void> {
  for (const form of forms) {
    for (const kind of form === "instance" ? [OVERLAYS] : [OVERLAYS, LABELS]) {
      await makeFolder(join(out, PREDICTION_FILES[form], kind));
    }
  }
}

/** Says whose file the summary is. */
export const KIND = "mask-jepa predictions";

export interface OutputOptions {
  /** Folders of the images, none of which may hold the folder. */
  readonly imageFolders: readonly string[];
  readonly overwrite: boolean;
}

/**
 * Makes the folder ready, locks it and does the work in it. Overwriting removes earlier predictions, nothing else. When
 * the work fails before anything is predicted, nothing stays that would stand in the way of the next try.
 * @param work is handed a function to call when there is something to keep
 * @throws InputError when it holds predictions (unless they may be overwritten) or anything else, or lies among the
 * images
 */
export async function inOutputDirectory<T>(
  out: string,
  { imageFolders, overwrite }: OutputOptions,
  work: (keep: () => void) => Promise<T>,
): Promise<T> {
  const earlier = await refuseForeignFiles(out, overwrite);
  const firstMade = await makeFolder(out, `--out ${out}`);
  let kept = false;
  try {
    await refuseAmongImages(out, imageFolders);
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
async function refuseAmongImages(out: string, folders: readonly string[]): Promise<void> {
  const place = await realpath(out);
  for (const folder of folders) {
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
