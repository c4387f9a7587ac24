import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { onTestFinished } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Compiles a source file and what it imports for a child process, which cannot run TypeScript; gives the module's URL.
 * The output lies under `node_modules`, so that packages are found from it, and goes when the test ends.
 */
export function compiled(source: string): string {
  const cache = join(ROOT, "node_modules", ".cache");
  mkdirSync(cache, { recursive: true });
  const out = mkdtempSync(join(cache, "mask-jepa-test-"));
  onTestFinished(() => rmSync(out, { recursive: true, force: true }));
  writeFileSync(join(out, "package.json"), '{"type":"module"}');
  const options = ["--ignoreConfig", "--target", "es2023", "--module", "nodenext", "--types", "node", "--skipLibCheck"];
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const places = ["--rootDir", join(ROOT, "src"), "--outDir", out, join(ROOT, "src", source)];
  execFileSync(process.execPath, [tsc, ...options, ...places], { cwd: ROOT, stdio: "pipe" });
  return pathToFileURL(join(out, source.replace(/\.ts$/, ".js"))).href;
}
