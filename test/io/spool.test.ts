import { readdirSync, writeFileSync } from "node:fs";
import * as fs from "node:fs/promises";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { withSpool } from "../../src/io/spool.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

vi.mock("node:fs/promises", async (original) => {
  const actual = await original<typeof fs>();
  return { ...actual, open: vi.fn(actual.open) };
});

test("gives texts back, however many are on their way at once, and leaves no file", async () => {
  const folder = temporaryDirectory();
  const texts = ["", "a", "über", "x".repeat(100_000), "end"];
  await withSpool(join(folder, "results"), async (spool) => {
    const pieces = await Promise.all(texts.map((text) => spool.add(text)));
    expect(readdirSync(folder)).toHaveLength(1);
    for (const [i, piece] of pieces.entries()) expect(Buffer.from(await spool.read(piece)).toString()).toBe(texts[i]);
  });
  expect(readdirSync(folder)).toEqual([]);
});

test("goes when the work fails, with its error", async () => {
  const folder = temporaryDirectory();
  const failing = withSpool(join(folder, "results"), async (spool) => {
    await spool.add("a");
    throw new Error("enough");
  });
  await expect(failing).rejects.toThrow("enough");
  expect(readdirSync(folder)).toEqual([]);
});

test("a full disk and a folder that is missing are typed errors", async () => {
  const folder = temporaryDirectory();
  const { open } = await vi.importActual<typeof fs>("node:fs/promises");
  vi.mocked(fs.open).mockImplementationOnce(async (...args) => {
    const file = await open(...args);
    file.write = () => Promise.reject(Object.assign(new Error("full"), { code: "ENOSPC" }));
    return file;
  });
  const failing = withSpool(join(folder, "results"), (spool) => spool.add("a"));
  await expect(failing).rejects.toThrow(/results: expected a file that can be written, found no space left/);
  writeFileSync(join(folder, "file"), "");
  await expect(withSpool(join(folder, "none", "a"), async () => {})).rejects.toMatchObject({ name: "InputError" });
  await expect(withSpool(join(folder, "file", "a"), async () => {})).rejects.toMatchObject({ name: "InputError" });
});
