/** @file The bytes of an image or a label map: a regular file of bounded size, or the reason why not. */

import { lstat, readFile, stat } from "node:fs/promises";
import { InputError } from "../core/errors.js";
import { errorCode, fileFault } from "./file-fault.js";

/** Larger files are refused: they are read whole. */
const MAX_BYTES = 2 ** 30;

/** Faults of the machine, not of a file. */
const MACHINE_FAULTS = new Set(["EMFILE", "ENFILE", "ENOMEM"]);

/**
 * @param expected what the file should be, e.g. "an image file"
 * @throws InputError for a fault of this file; what the system says where the machine is at its limits
 */
export async function readPicture(file: string, expected: string): Promise<Uint8Array> {
  const refuse = (found: string) => new InputError({ where: file, expected, found });
  try {
    const info = await stat(file);
    if (info.isDirectory()) throw refuse("a folder");
    if (!info.isFile()) throw refuse("neither a file nor a folder");
    if (info.size === 0) throw refuse("an empty file");
    if (info.size > MAX_BYTES)
      throw refuse(`a file of ${(info.size / 2 ** 30).toFixed(1)} GiB, more than the limit of 1`);
    return await readFile(file);
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" && (await isLink(file))) throw refuse("a broken link");
    throw code !== undefined && MACHINE_FAULTS.has(code) ? error : fileFault(error, file, expected);
  }
}

const isLink = async (file: string) => (await lstat(file).catch(() => undefined))?.isSymbolicLink() ?? false;
