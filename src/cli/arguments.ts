/** @file What the commands share in reading their arguments. */

import { InvalidArgumentError } from "commander";
import { type Assignment, parseValue } from "../core/settings-file.js";

/** For an option that may be given several times. */
export function append(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Reads a whole number of at least `min`; anything else is a usage error. */
export function wholeNumber(min: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < min) {
      throw new InvalidArgumentError(`Expected a whole number, at least ${min}.`);
    }
    return value;
  };
}

/** Reads a number from 0 to 1; anything else is a usage error. */
export function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("Expected a number from 0 to 1.");
  return value;
}

/** Flags that are short for a setting: name of the flag -> dotted name of the setting. Their values are read as YAML. */
export const SETTING_FLAGS = {
  steps: "run.steps",
  epochs: "run.epochs",
  seed: "run.seed",
  cores: "run.cores",
  device: "run.device",
  batch: "run.batch",
  size: "data.size",
} as const;

/** Flags whose values are paths, taken as they are. */
export const PATH_FLAGS = { images: "data.images", weights: "backbone.weights" } as const;

export type SettingFlags = { [K in keyof typeof SETTING_FLAGS]?: string } & { images?: string[]; weights?: string };

/** The settings that the given flags stand for. */
export function settingsOf(flags: SettingFlags): Assignment[] {
  const assignment = (flag: string, setting: string, text: string, value: unknown): Assignment => ({
    path: setting.split("."),
    value,
    where: `--${flag} ${text}`,
  });
  const values = Object.entries(SETTING_FLAGS).flatMap(([flag, setting]) => {
    const text = flags[flag as keyof typeof SETTING_FLAGS];
    return text === undefined ? [] : assignment(flag, setting, text, parseValue(text, `--${flag} ${text}`));
  });
  const paths = Object.entries(PATH_FLAGS).flatMap(([flag, setting]) => {
    const value = flags[flag as keyof typeof PATH_FLAGS];
    return value === undefined ? [] : assignment(flag, setting, String(value), value);
  });
  return [...values, ...paths];
}
