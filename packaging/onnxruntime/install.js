/**
 * @file `npm ci` in a checkout runs this: it installs onnxruntime-node beside this file, in the version that is locked
 * here. That package is no dependency of the root, because npm would run its install script, which downloads CUDA files
 * from outside the registry; the `.npmrc` here keeps it from that, and at the root it would also keep `npm pack` from
 * compiling.
 */

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const read = (path) => JSON.parse(readFileSync(join(here, path), "utf8"));
const installed = join("node_modules", "onnxruntime-node", "package.json");

const pinned = read("package.json").dependencies["onnxruntime-node"];
if (!existsSync(join(here, installed)) || read(installed).version !== pinned) {
  console.error(`installing ONNX Runtime ${pinned} ...`);
  const npm = process.env.npm_execpath;
  const [program, args] = npm ? [process.execPath, [npm]] : ["npm", []];
  const { status } = spawnSync(program, [...args, "ci", "--no-audit", "--no-fund"], {
    cwd: here,
    stdio: "inherit",
    shell: !npm && process.platform === "win32",
  });
  process.exitCode = status ?? 1;
}
