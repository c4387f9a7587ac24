#!/usr/bin/env node
/**
 * @file Starts the command line; in a checkout (where src/ is) it compiles first when dist/ is missing or old.
 * CommonJS, because Node reads ES modules through libuv's thread pool, whose size is fixed at its first use.
 */
const { spawnSync } = require("node:child_process");
const { accessSync, constants, existsSync, readdirSync, statSync, utimesSync } = require("node:fs");
const { availableParallelism } = require("node:os");
const { join } = require("node:path");

// Concurrent runs, one a core, and spare threads for files and image decoding (src/runtime/thread-pool.ts).
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(8, availableParallelism() + 4));

const root = join(__dirname, "..");
const stamp = join(root, "dist", ".tsbuildinfo");

const changed = (path) => statSync(path).mtimeMs;

function isBuilt() {
  if (!existsSync(stamp)) return false;
  const sources = readdirSync(join(root, "src"), { recursive: true }).map((name) => join(root, "src", name));
  const configs = ["tsconfig.json", "tsconfig.build.json"].map((name) => join(root, name));
  return Math.max(...[...sources, ...configs].map(changed)) <= changed(stamp);
}

function fail(message) {
  console.error(`error: ${message}`);
  process.exit(1);
}

/** The compiler, after a look at whether it can do its work: it panics where it cannot write. */
function compilerFor(dist) {
  try {
    accessSync(existsSync(dist) ? dist : root, constants.W_OK);
  } catch {
    fail(`${dist} is older than the sources and cannot be written. Let the owner of ${root} run \`npm run build\`.`);
  }
  try {
    return join(require.resolve("typescript/package.json"), "..", "bin", "tsc");
  } catch {
    return fail("the dependencies are not installed. Run `npm ci` first.");
  }
}

function build() {
  const compiler = compilerFor(join(root, "dist"));
  console.error("compiling the sources ...");
  const { status } = spawnSync(process.execPath, [compiler, "-p", "tsconfig.build.json"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
  });
  if (status !== 0) fail("the sources do not compile. Where a package is missing, run `npm ci`.");
  const now = new Date();
  utimesSync(stamp, now, now); // an incremental build that changes nothing leaves the stamp old
}

if (existsSync(join(root, "src")) && !isBuilt()) build();

import("../dist/cli/main.js").then(async ({ main }) => {
  process.exitCode = await main(process.argv.slice(2));
});
