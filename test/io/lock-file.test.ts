import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { InputError } from "../../src/core/errors.js";
import { isAlive, LOCK_NAME, lockDirectory } from "../../src/io/lock-file.js";
import { compiled } from "../support/compiled.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

/** Locks the directory, says so, and lives until its input ends. */
const CHILD = `
const { lockDirectory } = await import(process.argv[1]);
await lockDirectory(process.argv[2]).then(() => console.log("locked"), (error) => console.log(error.message));
process.stdin.resume().on("end", () => process.exit());`;

function startChild(url: string, directory: string): ChildProcess & { stdout: NodeJS.ReadableStream } {
  const child = spawn(process.execPath, ["--input-type=module", "-e", CHILD, url, directory], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  return child as ChildProcess & { stdout: NodeJS.ReadableStream };
}
const firstOutput = async (child: ReturnType<typeof startChild>) =>
  String((await once(child.stdout, "data"))[0]).trim();

it("a live process keeps others out; its exit and its death free the directory", async () => {
  const directory = temporaryDirectory();
  const url = compiled("io/lock-file.ts");

  const first = startChild(url, directory);
  expect(await firstOutput(first)).toBe("locked");
  await expect(lockDirectory(directory)).rejects.toThrow(`found a lock held by process ${first.pid}.`);
  first.stdin!.end();
  await once(first, "exit");
  expect(existsSync(join(directory, LOCK_NAME))).toBe(false);

  const second = startChild(url, directory);
  expect(await firstOutput(second)).toBe("locked");
  second.kill("SIGKILL");
  await once(second, "exit");
  expect(existsSync(join(directory, LOCK_NAME))).toBe(true);
  expect(isAlive(second.pid!)).toBe(false);
  const release = await lockDirectory(directory);
  release();
  expect(readdirSync(directory)).toEqual([]);
});

it("of runs that start at once, one gets the directory", async () => {
  const directory = temporaryDirectory();
  const url = compiled("io/lock-file.ts");
  const children = Array.from({ length: 4 }, () => startChild(url, directory));
  const outcomes = await Promise.all(children.map(firstOutput));
  expect(outcomes.filter((line) => line === "locked")).toHaveLength(1);
  for (const child of children) child.stdin!.end();
  await Promise.all(children.map((child) => once(child, "exit")));
});

it("the same process cannot lock twice, and releasing twice frees only its own lock", async () => {
  const directory = temporaryDirectory();
  const release = await lockDirectory(directory);
  await expect(lockDirectory(directory)).rejects.toThrow(InputError);
  release();
  const again = await lockDirectory(directory);
  again();
  again();
  writeFileSync(join(directory, LOCK_NAME), "another's");
  again();
  expect(readFileSync(join(directory, LOCK_NAME), "utf8")).toBe("another's");
});

it.each([
  ["empty", ""],
  ["not JSON", "{"],
  ["of a reused pid", JSON.stringify({ pid: process.pid, host: hostname(), start: "1" })],
])("a stale lock that is %s is taken over", async (name, text) => {
  if (name === "of a reused pid" && !existsSync("/proc/self/stat")) return;
  const directory = temporaryDirectory();
  writeFileSync(join(directory, LOCK_NAME), text);
  (await lockDirectory(directory))();
  expect(readdirSync(directory)).toEqual([]);
});

it("a lock of another machine stands, and the error tells how to lift it", async () => {
  const directory = temporaryDirectory();
  const path = join(directory, LOCK_NAME);
  writeFileSync(path, JSON.stringify({ pid: 1, host: "elsewhere.invalid" }));
  await expect(lockDirectory(directory)).rejects.toThrow(`on elsewhere.invalid. If that run is dead, delete ${path}.`);
});

it("a directory that is not there is an error that names the lock", async () => {
  await expect(lockDirectory(join(temporaryDirectory(), "none"))).rejects.toThrow(/run\.lock: .*ENOENT/);
});
