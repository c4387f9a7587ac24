/** @file Folders for what is written, which go again when nothing was. */

import { access, constants, mkdir, rmdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { InputError } from "../core/errors.js";
import { errorCode, fileFault } from "./file-fault.js";

const EXPECTED = "a folder that can be written";

type Kind = "folder" | "something else" | "nothing";

async function kindOf(path: string): Promise<Kind> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "something else";
  } catch (error) {
    if (errorCode(error) === "ENOENT" || errorCode(error) === "ENOTDIR") return "nothing";
    throw error;
  }
}

async function makeOne(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    if (errorCode(error) !== "EEXIST" || (await kindOf(path)) !== "folder") throw error; // another process was faster
  }
}

/**
 * Makes a folder and those above it that are missing, and makes sure that files can be made in it, before any work is
 * done. The recursive `mkdir` of Node calls a read-only file system "no such file", and below /proc it never returns.
 * @param where what the user called it, e.g. `--out runs/a`
 * @returns the first folder that had to be made, undefined if none
 * @throws InputError with the reason: no permission, a read-only file system, a file in the way, ...
 */
export async function makeFolder(path: string, where = path): Promise<string | undefined> {
  const missing: string[] = [];
  try {
    let place = resolve(path);
    let kind = await kindOf(place);
    while (kind === "nothing" && dirname(place) !== place) {
      missing.push(place);
      place = dirname(place);
      kind = await kindOf(place);
    }
    if (kind !== "folder") {
      const found = missing.length === 0 ? "a file" : `${place} in the way, which is a file`;
      throw new InputError({ where, expected: EXPECTED, found, fix: "Choose another place." });
    }
    missing.reverse();
    for (const folder of missing) await makeOne(folder);
    await access(path, constants.W_OK | constants.X_OK);
    return missing[0];
  } catch (error) {
    for (const folder of missing.reverse()) await rmdir(folder).catch(() => {}); // not all of them were made
    throw fileFault(error, where, EXPECTED);
  }
}

/** Removes a folder and those above it up to `first`, which `makeFolder` returned, as far as they are empty. */
export async function removeMadeFolders(path: string, first: string | undefined): Promise<void> {
  if (first === undefined) return;
  try {
    for (let place = resolve(path); place.startsWith(first); place = dirname(place)) await rmdir(place);
  } catch {
    // Somebody uses it, or it is gone.
  }
}
