/**
 * @file `npm ci` in a checkout runs this: it installs onnxruntime-node beside this file, in the version that is locked
 * here, and what the tests run exported files with. onnxruntime-node is no dependency of the root, because npm would run
 * its install script, which downloads CUDA files from outside the registry; the `.npmrc` here keeps it from that, and at
 * the root it would also keep `npm pack` from compiling.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const read = (path) => JSON.parse(readFileSync(join(here, path), "utf8"));

const { dependencies, devDependencies } = read("package.json");
const pinned = Object.entries({ ...dependencies, ...devDependencies });
const isThere = ([name, version]) => {
  const manifest = join("node_modules", name, "package.json");
  return existsSync(join(here, manifest)) && read(manifest).version === version;
};
if (!pinned.every(isThere)) {
  console.error(`installing ${pinned.map(([name, version]) => `${name} ${version}`).join(", ")} ...`);
  const npm = process.env.npm_execpath;
  const [program, args] = npm ? [process.execPath, [npm]] : ["npm", []];
  const { status } = spawnSync(program, [...args, "ci", "--no-audit", "--no-fund"], {
    cwd: here,
    stdio: "inherit",
    shell: !npm && process.platform === "win32",
  });
  process.exitCode = status ?? 1;
}
