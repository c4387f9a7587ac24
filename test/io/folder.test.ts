import { chmodSync, existsSync, statSync, writeFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { makeFolder } from "../../src/io/folder.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof fs>();
  return { ...actual, mkdir: vi.fn(actual.mkdir), access: vi.fn(actual.access) };
});
afterEach(() => vi.clearAllMocks());

const systemError = (code: string) => Object.assign(new Error(code), { code });

test("makes a folder with those above it, and is content with one that is there", async () => {
  const path = join(temporaryDirectory(), "a", "b", "c");
  expect(await makeFolder(path)).toBe(dirname(dirname(path)));
  expect(await makeFolder(path)).toBeUndefined();
  expect(statSync(path).isDirectory()).toBe(true);
});

test("several at once do not hinder each other", async () => {
  const root = temporaryDirectory();
  await Promise.all(["x", "y", "z"].map((name) => makeFolder(join(root, "a", "b", name))));
  for (const name of ["x", "y", "z"]) expect(existsSync(join(root, "a", "b", name))).toBe(true);
});

test.each([
  ["EROFS", /a read-only file system \(EROFS\)\. Choose a place/],
  ["EACCES", /permission denied \(EACCES\)/],
  ["ENOSPC", /no space left on the disk \(ENOSPC\)/],
])("says why it cannot be made: %s", async (code, reason) => {
  const path = join(temporaryDirectory(), "a", "b");
  vi.mocked(fs.mkdir).mockRejectedValueOnce(systemError(code));
  const failing = makeFolder(path);
  await expect(failing).rejects.toMatchObject({ name: "InputError", problem: { where: path } });
  await expect(failing).rejects.toThrow(reason);
});

test("a folder in which nothing can be made is refused before any work", async () => {
  const path = temporaryDirectory();
  vi.mocked(fs.access).mockRejectedValueOnce(systemError("EROFS"));
  await expect(makeFolder(path)).rejects.toThrow(/a folder that can be written, found a read-only file system/);
  if (process.getuid?.() === 0) return; // whom permissions do not stop
  chmodSync(path, 0o500);
  await expect(makeFolder(path)).rejects.toThrow(/permission denied/);
});

test("a file in the way is named", async () => {
  const root = temporaryDirectory();
  const file = join(root, "photo.jpg");
  writeFileSync(file, "");
  await expect(makeFolder(file)).rejects.toThrow(`${file}: expected a folder that can be written, found a file.`);
  await expect(makeFolder(join(file, "a", "b"))).rejects.toThrow(`found ${file} in the way, which is a file.`);
});

test.runIf(process.platform === "linux")("a place that takes no folders ends in an error, too", async () => {
  await expect(makeFolder("/proc/mask-jepa/a")).rejects.toMatchObject({ name: "InputError" });
});
