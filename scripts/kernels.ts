/**
 * @file kernels/points.ts, AssemblyScript, as a module of src/ that holds its WebAssembly. As a program (`npm run
 * kernels`) it writes the module; a test compares it.
 */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const OPTIONS = ["-O3", "--runtime", "stub", "--enable", "simd", "--importMemory"];
/** Characters of a line of the module. */
const LINE = 100;

export const MODULE = "src/losses/point-kernels-binary.ts";

/** Compiles the kernels of a checkout: the text of MODULE. Throws Error with the compiler's words. */
export function compileKernels(root: string): string {
  const folder = mkdtempSync(join(tmpdir(), "mask-jepa-kernels-"));
  try {
    const binary = join(folder, "points.wasm");
    const compiler = join(root, "node_modules/assemblyscript/bin/asc.js");
    execFileSync(process.execPath, [compiler, "kernels/points.ts", "-o", binary, ...OPTIONS], { cwd: root });
    const lines = readFileSync(binary, "base64").match(new RegExp(`.{1,${LINE}}`, "g")) ?? [];
    return [
      "/** @file The WebAssembly of kernels/points.ts in base64: made by `npm run kernels`, not by hand. */",
      "",
      "export const POINT_KERNELS = [",
      ...lines.map((line) => `  "${line}",`),
      '].join("");',
      "",
    ].join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(MODULE, compileKernels(process.cwd()));
