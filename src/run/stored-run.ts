/** @file The settings that the run of a path has stored, before anything is known of its kind. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Assignment, mergeSettings } from "../core/settings-file.js";
import { readAssignments } from "../io/settings-file.js";
import { type ModelSettings, modelSection } from "./model-settings.js";
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

/** Object queries of the model of a run, or of the run of a checkpoint, where it has some. */
export function storedQueriesOf(run: string): number | undefined {
  const found = storedSettingsOf(run)?.assignments.find(({ path }) => path.join(".") === "decoder.queries")?.value;
  return typeof found === "number" ? found : undefined;
}

/** The model that a run, or the run of a checkpoint, is about. @throws InputError when its settings cannot be read */
export function storedModelOf(run: string): ModelSettings | undefined {
  const stored = storedSettingsOf(run);
  if (!stored) return undefined;
  const model = stored.assignments.filter(({ path }) => path[0] === "model");
  return mergeSettings(z.strictObject({ model: modelSection }), {}, model, `${stored.file}:`).settings.model;
}
