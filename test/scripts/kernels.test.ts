import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compileKernels, MODULE } from "../../scripts/kernels.js";

test("the WebAssembly in src/ is what kernels/ compiles to: else run `npm run kernels`", () => {
  expect(readFileSync(MODULE, "utf8")).toBe(compileKernels(process.cwd()));
});
