/** @file Node in a child process, on the compiled sources: what a program of another person sees. */

import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

export const ROOT = fileURLToPath(new URL("../../", import.meta.url));
export const LAUNCHER = join(ROOT, "bin", "mask-jepa.js");

/** The program before whose arguments node ends with this code when they open a socket, and whether it can be had. */
export const WITHOUT_SOCKETS = join(ROOT, "test", "support", "without-sockets.js");
export const SOCKET_OPENED = 159;
export const SOCKETS_ARE_SEEN = process.platform === "linux" && (process.arch === "x64" || process.arch === "arm64");

/** Compiles the sources where they are newer than dist/, as the launcher does. Throws with the compiler's words. */
export function compileSources(): void {
  const { status, stderr } = spawnSync(process.execPath, [LAUNCHER, "--version"], { encoding: "utf8" });
  if (status !== 0) throw new Error(stderr);
}

/** A compiled file of the sources, e.g. "index.js", as a string literal for `import()`. */
export function compiledModule(file: string): string {
  return JSON.stringify(pathToFileURL(join(ROOT, "dist", file)).href);
}

/** The arguments with which node runs a text as an ES module. */
export function script(text: string): string[] {
  return ["--input-type=module", "-e", text];
}

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs node to its end. */
export async function node(
  args: readonly string[],
  options: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const text = { out: "", err: "" };
  child.stdout.setEncoding("utf8").on("data", (part: string) => {
    text.out += part;
  });
  child.stderr.setEncoding("utf8").on("data", (part: string) => {
    text.err += part;
  });
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, ...text };
}
