/** @file Settings files on disk. */

import { readFileSync, statSync } from "node:fs";
import { InputError } from "../core/errors.js";
import { type Assignment, parseAssignments } from "../core/settings-file.js";
import { fileFault } from "./file-fault.js";

/** Hundreds of times what all settings take. */
const MAX_BYTES = 2 ** 20;

/** The settings in a YAML file. @throws InputError when it cannot be read, is too large, or is not a mapping */
export function readAssignments(file: string): Assignment[] {
  const expected = "a readable settings file";
  let text: string;
  try {
    const { size } = statSync(file);
    if (size > MAX_BYTES) {
      throw new InputError({ where: file, expected: "a settings file of at most 1 MiB", found: `${size} bytes` });
    }
    text = readFileSync(file, "utf8");
  } catch (error) {
    throw fileFault(error, file, expected);
  }
  return parseAssignments(text, file);
}
