/** @file The last net: errors of the system and of memory that no part of the program has put into words of its own. */

import { InputError } from "../core/errors.js";
import { memoryFault } from "../core/out-of-memory.js";
import { errorCode, fileFault } from "../io/file-fault.js";

/** What was being done, by the system call that failed. */
const EXPECTED: Readonly<Record<string, string>> = {
  open: "a file that can be opened",
  read: "a file that can be read",
  write: "a file that can be written",
  mkdir: "a folder that can be made",
  scandir: "a folder that can be read",
};

/**
 * An error in words for a person: an `InputError` as it is; one of the system, with its file; one of memory. Undefined
 * for what is a fault of the program.
 */
export function explain(error: unknown): InputError | undefined {
  if (error instanceof InputError) return error;
  if (!(error instanceof Error)) return undefined;
  const refused = memoryFault(error, "this command");
  if (refused instanceof InputError) return refused;
  if (errorCode(error) === undefined) return error.cause === undefined ? undefined : explain(error.cause);
  const { path, dest, syscall = "" } = error as NodeJS.ErrnoException & { dest?: string };
  const where = [path, dest].filter((name) => name !== undefined).join(" -> ") || `the system call ${syscall}`;
  const fault = fileFault(error, where, EXPECTED[syscall] ?? "a file or folder that can be used");
  return fault instanceof InputError ? fault : undefined;
}
