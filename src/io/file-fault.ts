/** @file Turns the operating system's error codes into errors that name the file and the reason. */

import { sep } from "node:path";
import { InputError } from "../core/errors.js";

const REASONS: Record<string, { found: string; fix?: string }> = {
  ENOENT: { found: "nothing of that name" },
  EACCES: { found: "permission denied", fix: "Change its permissions or choose another place." },
  EPERM: { found: "operation not permitted", fix: "Change its permissions or choose another place." },
  EROFS: { found: "a read-only file system", fix: "Choose a place that can be written." },
  ENOSPC: { found: "no space left on the disk", fix: "Free some space or choose another disk." },
  EDQUOT: { found: "a disk quota that is used up", fix: "Free some space or choose another disk." },
  EFBIG: { found: "a file larger than the system allows" },
  EIO: { found: "a read or write error of the disk", fix: "Check the disk." },
  ELOOP: { found: "a link that leads to itself", fix: "Check where the link points." },
  ENOMEM: { found: "no memory left", fix: "End other programs." },
  EISDIR: { found: "a folder" },
  ENOTDIR: { found: "a file where a folder should be" },
  ENOTEMPTY: { found: "a folder that is not empty" },
  EEXIST: { found: "something of that name already" },
  EMFILE: { found: "too many open files", fix: "Raise the limit (ulimit -n)." },
  ENFILE: { found: "too many open files in the whole system", fix: "End other programs." },
  ENAMETOOLONG: { found: "a name that is too long" },
  EXDEV: { found: "two places on different disks" },
};

/** The code of a system error, e.g. "ENOENT"; undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

/** What to do about a path that leads nowhere: one that was written on Windows does so elsewhere. */
export function pathAdvice(path: string): string {
  return sep === "/" && path.includes("\\") ? 'Write "/" in place of "\\" in the path.' : "Check the path.";
}

/**
 * What to throw for an `error` met while using the file `where`: an `InputError` for a system error, else the error
 * itself.
 * @param expected what the file should have been, e.g. "a file that can be written"
 */
export function fileFault(error: unknown, where: string, expected: string): unknown {
  const code = errorCode(error);
  if (code === undefined) return error;
  const { found, fix } = REASONS[code] ?? { found: "a system error" };
  const advice = code === "ENOENT" ? pathAdvice(where) : fix;
  return new InputError({ where, expected, found: `${found} (${code})`, fix: advice }, { cause: error });
}
