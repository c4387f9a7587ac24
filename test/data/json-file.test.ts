import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { readJson, stampOf } from "../../src/data/datasets/json-file.js";
import { compiledModule, compileSources, node, script } from "../support/child.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

beforeAll(compileSources, 120_000);

it("a file that no text can hold is refused by its size", async () => {
  const file = join(temporaryDirectory(), "large.json");
  writeFileSync(file, "");
  truncateSync(file, 600e6); // takes no space on the disk
  await expect(stampOf(file)).rejects.toThrow(/large\.json: expected a JSON file under 536 MB, found 600 MB/);
});

it("a folder with a file's name, a missing file and broken text are refused by name", async () => {
  const folder = temporaryDirectory();
  mkdirSync(join(folder, "a.json"));
  await expect(stampOf(join(folder, "a.json"))).rejects.toThrow(/a\.json: expected a JSON file, found a folder/);
  await expect(stampOf(join(folder, "b.json"))).rejects.toThrow(/b\.json: expected a JSON file, found nothing/);
  writeFileSync(join(folder, "c.json"), '{"a": [1, 2');
  await expect(readJson(join(folder, "c.json"))).rejects.toThrow(InputError);
});

it("deep nesting is read as it is", async () => {
  const file = join(temporaryDirectory(), "deep.json");
  writeFileSync(file, `${"[".repeat(1e5)}${"]".repeat(1e5)}`);
  expect(await readJson(file)).toBeInstanceOf(Array);
});

it("values that would not fit into memory are refused, in place of a process that ends", async () => {
  const file = join(temporaryDirectory(), "lists.json");
  writeFileSync(file, `[${"[],".repeat(12e6)}[]]`);
  const program = `
    const { readJson } = await import(${compiledModule("data/datasets/json-file.js")});
    await readJson(${JSON.stringify(file)}).catch((error) => console.log(error.message));
  `;
  const { code, out } = await node(["--max-old-space-size=300", ...script(program)]);
  expect(out).toMatch(
    /lists\.json: expected JSON whose values fit into the \d+ MB .*found 37 MB of text with some 8\d\d MB/,
  );
  expect(out).toMatch(/NODE_OPTIONS=--max-old-space-size=\d+/);
  expect(code).toBe(0);
});
