import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { type ApiPage, apiPage } from "../../scripts/api-page.js";
import { compileSources, ROOT } from "../support/child.js";

let page: ApiPage;
beforeAll(() => {
  compileSources();
  page = apiPage(ROOT);
});

test("every export has a docstring", () => {
  expect(page.undocumented).toEqual([]);
});

test("docs/api.md is what the docstrings say; `npm run docs` writes it", () => {
  expect(readFileSync(join(ROOT, "docs", "api.md"), "utf8")).toBe(page.text);
});

test("an entry shows docstring, what is thrown, and the declaration without what is private", () => {
  expect(page.text).toMatch(/### createRuntime\nOpens the runtime of a device[^#]*\nThrows: InputError/);
  const predictor = /### Predictor\n[^#]*/.exec(page.text)?.[0];
  expect(predictor).toContain("static create(runtime: Runtime");
  expect(predictor).not.toContain("private");
});
