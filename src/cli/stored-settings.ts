/** @file The settings that a run to be resumed has stored. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { InputError } from "../core/errors.js";
import { readAssignments } from "../io/settings-file.js";
import { SETTINGS_FILE } from "../run/run-files.js";

/** What the runs of a command are called, a section of settings that only they have, and the flags that start one. */
const RUNS = {
  pretrain: { name: "a pretraining run", section: "pretrain", flags: "--images DIR --out DIR" },
  finetune: { name: "a fine-tuning run", section: "criterion", flags: "--data DATA --out DIR" },
};

/**
 * The file in the folder after `--resume`. @throws InputError when it holds no run of this command, with what to do
 * instead
 */
export function storedSettingsFile(run: string, command: keyof typeof RUNS): string {
  const stored = join(run, SETTINGS_FILE);
  const { name, flags } = RUNS[command];
  const refusal = { where: `--resume ${run}`, expected: `the folder of ${name}` };
  if (!existsSync(stored)) {
    throw new InputError({ ...refusal, found: `no ${SETTINGS_FILE} in it`, fix: `Start a new run with ${flags}.` });
  }
  const sections = new Set(readAssignments(stored).map(({ path }) => path[0]));
  for (const [other, { name, section }] of Object.entries(RUNS)) {
    if (other === command || !sections.has(section)) continue;
    const start = command === "finetune" ? `, or start from its weights with --from ${run}` : "";
    throw new InputError({
      ...refusal,
      found: name,
      fix: `Go on with it by mask-jepa ${other} --resume ${run}${start}.`,
    });
  }
  return stored;
}
