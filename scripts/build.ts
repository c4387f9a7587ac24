/** @file Compiles the sources for a package. */

import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./native.js";

/** Compiles the sources into an empty dist/: a file whose source is gone would be packed as well. */
export function build(): void {
  rmSync(join(ROOT, "dist"), { recursive: true, force: true });
  const compiler = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  execFileSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], { cwd: ROOT, stdio: "inherit" });
}
