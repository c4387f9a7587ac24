/** @file Settings files on disk. */

import { closeSync, openSync, readSync } from "node:fs";
import { InputError } from "../core/errors.js";
import { type Assignment, parseAssignments } from "../core/settings-file.js";
import { fileFault } from "./file-fault.js";

/** What the parser takes a second for at worst. A thousand classes with colours are a third of it. */
const MAX_BYTES = 2 ** 18;

/** The text of a file, of which no more than is allowed is read, whatever it is. @throws the system's error */
function readBounded(file: string): string {
  const handle = openSync(file, "r");
  try {
    const bytes = Buffer.allocUnsafe(MAX_BYTES + 1);
    let [length, read] = [0, 1];
    while (read > 0 && length < bytes.length) {
      read = readSync(handle, bytes, length, bytes.length - length, null);
      length += read;
    }
    if (length <= MAX_BYTES) return bytes.toString("utf8", 0, length);
  } finally {
    closeSync(handle);
  }
  const expected = `a settings file of at most ${MAX_BYTES / 2 ** 10} KiB`;
  throw new InputError({ where: file, expected, found: "a larger one" });
}

/** The settings in a YAML file. @throws InputError when it cannot be read, is too large, or is not a mapping */
export function readAssignments(file: string): Assignment[] {
  let text: string;
  try {
    text = readBounded(file);
  } catch (error) {
    throw fileFault(error, file, "a readable settings file");
  }
  return parseAssignments(text, file);
}
