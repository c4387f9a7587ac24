import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readPicture } from "../../src/io/picture-file.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const isRoot = process.getuid?.() === 0;
const posix = process.platform !== "win32";

/** What is at the file's place, how it gets there, what is said of it, and whether it can be had here. */
const CASES: [string, (file: string) => void, RegExp, boolean][] = [
  ["an empty file", (file) => writeFileSync(file, ""), /found an empty file/, true],
  ["a folder", (file) => mkdirSync(file), /found a folder/, true],
  ["nothing", () => {}, /found nothing of that name \(ENOENT\)/, true],
  ["a broken link", (file) => symlinkSync("nowhere", file), /found a broken link/, posix],
  ["a link to itself", (file) => symlinkSync("a.jpg", file), /found a link that leads to itself/, posix],
  [
    "a pipe, which nobody writes to",
    (file) => execFileSync("mkfifo", [file]),
    /found neither a file nor a folder/,
    posix,
  ],
  [
    "more than a gibibyte",
    (file) => {
      writeFileSync(file, "");
      truncateSync(file, 3 * 2 ** 30); // takes no space
    },
    /found a file of 3\.0 GiB, more than the limit of 1/,
    true,
  ],
  [
    "a file without permission",
    (file) => {
      writeFileSync(file, "x");
      chmodSync(file, 0);
    },
    /found permission denied \(EACCES\)/,
    posix && !isRoot,
  ],
];

it.each(CASES.filter(([, , , possible]) => possible))("refuses %s for that reason", async (_, make, message) => {
  const file = join(temporaryDirectory(), "a.jpg");
  make(file);
  await expect(readPicture(file, "an image file")).rejects.toThrow(message);
  await expect(readPicture(file, "an image file")).rejects.toThrow(/a\.jpg: expected an image file/);
});
