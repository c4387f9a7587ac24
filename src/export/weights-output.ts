/** @file Where converted weights go: in a form that the other side reads, and over nothing that is to stay. */

import { realpath, stat } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import type { StoredWeights } from "../checkpoint/read-weights.js";
import { InputError } from "../core/errors.js";
import { exists } from "../io/atomic-file.js";
import { makeFolder } from "../io/folder.js";
import { FORMS, type Form, formOfSuffix, SUFFIXES } from "./forms.js";
import type { Target } from "./target.js";

export interface OutputOptions {
  /** Another form than the usual one, even one that the target does not read. */
  readonly form?: Form;
  /** Whether files that are there may be replaced; default false. */
  readonly overwrite?: boolean;
  /** Files, and folders with all that is in them, that are read: these are never replaced. */
  readonly inputs?: readonly string[];
}

export interface WeightsOutput {
  readonly form: Form;
  readonly file: string;
  /** Set when the weights go into a folder, perhaps with a configuration. */
  readonly folder?: string;
}

const nameInFolder = ({ fileNames }: Target, form: Form) => fileNames?.[form] ?? `model${SUFFIXES[form][0]}`;

async function isFolder(path: string): Promise<boolean> {
  return /[/\\]$/.test(path) || ((await exists(path)) && (await stat(path)).isDirectory());
}

/**
 * The file that a path means: the path itself if it has a suffix, else one in the folder of that name.
 * @throws InputError for an unknown suffix, and unless `form` says so for a form that the target's software does not
 * read
 */
export async function weightsOutput(path: string, target: Target, { form }: OutputOptions): Promise<WeightsOutput> {
  const folder = await isFolder(path);
  const suffix = folder ? "" : extname(path).toLowerCase();
  if (suffix === "") {
    const chosen = form ?? target.reads[0];
    return { form: chosen, file: join(path, nameInFolder(target, chosen)), folder: path };
  }
  const found = formOfSuffix(suffix);
  const expected = `a file ending in ${(form ? [form] : target.reads).flatMap((read) => SUFFIXES[read]).join(", ")}`;
  if (!found)
    throw new InputError({ where: path, expected: `${expected}, or a folder without a suffix`, found: suffix });
  if (form !== undefined && form !== found) throw new InputError({ where: path, expected, found: suffix });
  if (form === undefined && !target.reads.includes(found)) {
    const fix = `Choose another suffix, or write it all the same with --format ${found}.`;
    throw new InputError({ where: path, expected: `${expected}, which ${target.name} reads`, found: suffix, fix });
  }
  return { form: found, file: path };
}

async function isSame(path: string, other: string): Promise<boolean> {
  const [a, b] = await Promise.all([path, other].map((name) => stat(name, { bigint: true })));
  return a.dev === b.dev && a.ino === b.ino;
}

/** Whether a path leads to `input`, or into it where that is a folder, whatever links and spellings lie between. */
async function leadsTo(path: string, input: string): Promise<boolean> {
  if (!(await exists(input))) return false;
  let nearest = resolve(path);
  while (!(await exists(nearest))) nearest = dirname(nearest);
  if (!(await isFolder(input))) return nearest === resolve(path) && isSame(nearest, input);
  let place = await realpath(nearest);
  while (!(await isSame(place, input)) && dirname(place) !== place) place = dirname(place);
  return isSame(place, input);
}

/**
 * Makes the folder of files about to be written.
 * @returns the first folder that had to be made, undefined if none
 * @throws InputError when one of them is an input or lies in one, when one is there already and may not be replaced,
 * and for a folder that cannot be made
 */
export async function claimFiles(
  files: readonly string[],
  { overwrite, inputs = [] }: OutputOptions,
): Promise<string | undefined> {
  for (const where of files) {
    for (const input of inputs) {
      if (!(await leadsTo(where, input))) continue;
      const found = `${input}, which is read`;
      throw new InputError({ where, expected: "a place for what is written", found, fix: `${ELSEWHERE}.` });
    }
    if (!(await exists(where))) continue;
    if (await isFolder(where))
      throw new InputError({ where, expected: "a file, or nothing", found: "a folder", fix: `${ELSEWHERE}.` });
    if (overwrite) continue;
    const fix = `${ELSEWHERE}, or replace it (--overwrite).`;
    throw new InputError({ where, expected: "a name that is free", found: "a file of that name", fix });
  }
  return makeFolder(dirname(files[0]));
}

/** Where weights were read that nothing may be written over: a file, or the folder of a run's checkpoints. */
export function placeOf({ path, run }: Pick<StoredWeights, "path" | "run">): string {
  return run && basename(dirname(path)) === "checkpoints" ? dirname(path) : path;
}

const ELSEWHERE = "Choose another place";

/** The same for weights, which come first. @throws InputError when others would be found in their place */
export async function claimWeights(
  files: readonly string[],
  target: Target,
  { folder }: WeightsOutput,
  options: OutputOptions,
): Promise<void> {
  const others = folder === undefined ? [] : FORMS.map((form) => join(folder, nameInFolder(target, form)));
  for (const other of others) {
    if (files.includes(other) || !(await exists(other))) continue;
    const fix = `${ELSEWHERE}, or remove that file.`;
    throw new InputError({ where: files[0], expected: "the only weights in their folder", found: other, fix });
  }
  await claimFiles(files, options);
}
