/** @file The settings that the run of a path has stored, before anything is known of its kind. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Assignment } from "../core/settings-file.js";
import { readAssignments } from "../io/settings-file.js";
import { SETTINGS_FILE } from "./run-files.js";

export interface StoredSettings {
  readonly file: string;
  readonly assignments: readonly Assignment[];
}

/**
 * Of a run's folder, or of one of its checkpoints; undefined where none are stored.
 * @throws InputError when they cannot be read
 */
export function storedSettingsOf(run: string): StoredSettings | undefined {
  const file = [run, join(run, "..", "..")].map((folder) => join(folder, SETTINGS_FILE)).find(existsSync);
  return file === undefined ? undefined : { file, assignments: readAssignments(file) };
}
