/** @file npm in a child process. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { packageJson } from "./native.js";

/** npm's program: the one that runs us, else undefined, and the one on the path is taken. */
export const NPM = process.env.npm_execpath;

/** Runs npm in a folder; what it says goes to standard error. Throws when it fails. */
export function npm(folder: string, args: readonly string[]): void {
  const [program, first] = NPM ? [process.execPath, [NPM]] : ["npm", []];
  const shell = !NPM && process.platform === "win32";
  execFileSync(program, [...first, ...args], { cwd: folder, shell, stdio: ["ignore", 2, 2] });
}

/** Packs a folder and returns the path of its tarball, which lies in `destination`. */
export function pack(folder: string, destination: string, options: readonly string[] = []): string {
  npm(folder, ["pack", "--silent", "--pack-destination", destination, ...options]);
  const { name, version } = packageJson(folder);
  return join(destination, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`);
}
