/** @file The settings that a run to be resumed has stored. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { SETTINGS_FILE } from "../run/run-directory.js";

/** The file in the folder after `--resume`. @throws InputError when it holds no run, with the flags that start one */
export function storedSettingsFile(run: string, kind: string, flags: string): string {
  const stored = join(run, SETTINGS_FILE);
  if (existsSync(stored)) return stored;
  throw new InputError({
    where: `--resume ${run}`,
    expected: `the folder of ${kind}`,
    found: `no ${SETTINGS_FILE} in it`,
    fix: `Start a new run with ${flags}.`,
  });
}
