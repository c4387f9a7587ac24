/** @file What the commands share in reading their arguments. */

import { InvalidArgumentError, Option } from "commander";
import { DEVICE_ADVICE, DEVICES, type Device } from "../core/devices.js";
import { type Assignment, parseValue } from "../core/settings-file.js";
import { TASKS, type Task } from "../masks/segmentation.js";

/** `--part NAME`. */
export const partOption = () =>
  new Option("--part <name>", "of a checkpoint with several models the one to take, e.g. model_ema (of a run: target)");

/** What predicts: `loadTrainedModel` reads it. */
export const MODEL_SOURCES =
  "fine-tuning run, checkpoint, file of weights, folder of a Hugging Face model, or hf:owner/name";

/** For an option that may be given several times. */
export function append(value: string, previous: readonly string[] = []): string[] {
  return [...previous, value];
}

/** Reads a whole number of at least `min` and at most `max`; anything else is a usage error. */
export function wholeNumber(min: number, max = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const limits = max === Number.MAX_SAFE_INTEGER ? `at least ${min}` : `from ${min} to ${max}`;
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < min || value > max) {
      throw new InvalidArgumentError(`Expected a whole number, ${limits}.`);
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

/** Reads a number above 0; anything else is a usage error. */
export function positiveNumber(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY)) throw new InvalidArgumentError("Expected a number above 0.");
  return value;
}

/** Reads the name of a task; anything else is a usage error, with `hint`. */
export function taskNamed(name: string, hint = ""): Task {
  const task = TASKS.find((known) => known === name);
  if (!task) throw new InvalidArgumentError(`Tasks are ${TASKS.join(", ")}. ${hint}`.trim());
  return task;
}

/** Reads one task after another. */
export const taskList =
  (hint?: string) =>
  (name: string, others: readonly Task[] = []): Task[] => [...others, taskNamed(name, hint)];

/** `--device NAME`, the CPU by default, or what `otherwise` describes. */
export function deviceOption(description: string, otherwise?: string): Option {
  const parse = (name: string): Device => {
    const device = DEVICES.find((known) => known === name);
    if (!device) throw new InvalidArgumentError(`Devices are ${DEVICES.join(", ")}. ${DEVICE_ADVICE}`);
    return device;
  };
  const option = new Option("--device <name>", `${description}: ${DEVICES.join(", ")}`).argParser(parse);
  return option.default(otherwise === undefined ? "cpu" : undefined, otherwise);
}

/** Flags that are short for a setting: name of the flag -> dotted name of the setting. */
export type FlagTable = Readonly<Record<string, string>>;

/** Flags of every kind of run; their values are read as YAML. */
export const RUN_FLAGS = {
  steps: "run.steps",
  epochs: "run.epochs",
  seed: "run.seed",
  cores: "run.cores",
  device: "run.device",
  batch: "run.batch",
} as const;

/**
 * The settings that the given flags stand for: those of `values` are read as YAML, those of `texts` taken as they are.
 */
export function settingsOf(flags: object, { values, texts }: { values: FlagTable; texts: FlagTable }): Assignment[] {
  const given = new Map(Object.entries(flags));
  const assignments = (table: FlagTable, read: (text: unknown, where: string) => unknown) =>
    Object.entries(table).flatMap(([flag, setting]) => {
      const value: unknown = given.get(flag);
      if (value === undefined) return [];
      const where = `--${flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)} ${value}`;
      return [{ path: setting.split("."), value: read(value, where), where }];
    });
  return [
    ...assignments(values, (text, where) => parseValue(String(text), where)),
    ...assignments(texts, (text) => text),
  ];
}
