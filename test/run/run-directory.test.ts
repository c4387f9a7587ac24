import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { settingsToYaml } from "../../src/core/settings-file.js";
import { LOCK_NAME } from "../../src/io/lock-file.js";
import { inRunDirectory, type Start, tidyRun } from "../../src/run/run-directory.js";
import { SETTINGS_HEADING } from "../../src/run/run-files.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const SETTINGS = settingsToYaml({ run: { seed: 0 } }, SETTINGS_HEADING);
const deadPid = () => spawnSync(process.execPath, ["--version"]).pid;
const write = (path: string) => writeFileSync(path, "");

/** A run that logs, saves a checkpoint if told so, and fails if told so. */
const work = (out: string, start: Start, { saves = false, fails = false } = {}) =>
  inRunDirectory(out, start, async ({ begin }) => {
    await begin(SETTINGS);
    write(join(out, "metrics.jsonl"));
    mkdirSync(join(out, "checkpoints", ...(saves ? ["step-00000001"] : [])), { recursive: true });
    if (fails) throw new Error("failed");
  });

test("a run that fails before its first checkpoint leaves what was there before, and no folder that it made", async () => {
  const root = temporaryDirectory();
  const [made, before] = [join(root, "runs", "deep", "a"), join(root, "before")];
  mkdirSync(before);
  for (const out of [made, before]) {
    await expect(work(out, "new", { fails: true })).rejects.toThrow("failed");
    const atOnce = inRunDirectory(out, "new", () => Promise.reject(new Error("at once")));
    await expect(atOnce).rejects.toThrow("at once");
  }
  expect(readdirSync(root)).toEqual(["before"]);
  expect(readdirSync(before)).toEqual([]);
});

test("a run that fails after a checkpoint stays, and so does its folder's other content", async () => {
  const out = join(temporaryDirectory(), "a");
  await expect(work(out, "new", { saves: true, fails: true })).rejects.toThrow("failed");
  expect(readdirSync(out).sort()).toEqual(["checkpoints", "config.yaml", "metrics.jsonl"]);
  await expect(work(out, "new")).rejects.toThrow("found a run");
  write(join(out, "notes.txt"));
  await expect(work(out, "overwrite", { fails: true })).rejects.toThrow("failed");
  expect(readdirSync(out)).toEqual(["notes.txt"]);
});

test("what fails before the old run would be replaced leaves it as it was", async () => {
  const out = join(temporaryDirectory(), "a");
  await work(out, "new", { saves: true });
  await expect(inRunDirectory(out, "overwrite", () => Promise.reject(new Error("a typo")))).rejects.toThrow("a typo");
  expect(readdirSync(out).sort()).toEqual(["checkpoints", "config.yaml", "metrics.jsonl"]);
});

test("a run that was killed before its first checkpoint counts as never begun", async () => {
  const out = temporaryDirectory();
  const pid = deadPid();
  for (const name of ["metrics.jsonl", "skipped.jsonl", `.config.yaml.${pid}-0.tmp`]) write(join(out, name));
  writeFileSync(join(out, "config.yaml"), SETTINGS);
  writeFileSync(join(out, LOCK_NAME), "");
  mkdirSync(join(out, "checkpoints", `.step-00000001.${pid}-1.tmp`), { recursive: true });
  write(join(out, "notes.txt"));
  await inRunDirectory(out, "new", ({ begin }) => begin(SETTINGS));
  expect(readdirSync(out).sort()).toEqual(["config.yaml", "notes.txt"]);

  const early = temporaryDirectory(); // not even the settings were stored
  for (const name of [LOCK_NAME, `.config.yaml.${pid}-0.tmp`]) write(join(early, name));
  await work(early, "new");
});

test("files that are no run's are refused, even a config.yaml", async () => {
  const out = temporaryDirectory();
  writeFileSync(join(out, "config.yaml"), "mine: 1\n");
  for (const start of ["new", "overwrite"] as const) {
    await expect(work(out, start)).rejects.toThrow("1 files that are no run's, such as config.yaml");
  }
  expect(readFileSync(join(out, "config.yaml"), "utf8")).toBe("mine: 1\n");
  write(join(out, "file"));
  await expect(work(join(out, "file"), "new")).rejects.toThrow(/--out .*file: .* a file where a folder should be/);
  await expect(work(join(out, "file", "below"), "new")).rejects.toThrow("file in the way, which is a file");
});

test("what killed processes left half-written is gone before the work begins", async () => {
  const out = temporaryDirectory();
  await work(out, "new", { saves: true });
  const leave = () => {
    const checkpoints = join(out, "checkpoints");
    mkdirSync(join(checkpoints, `.step-00000002.${deadPid()}-0.tmp`));
    mkdirSync(join(checkpoints, "step-00000001.replaced"));
    mkdirSync(join(checkpoints, "step-00000003.replaced"), { recursive: true }); // its successor never came
    write(join(out, `.report.html.${deadPid()}-7.tmp`));
  };
  const left = ["step-00000001", "step-00000003.replaced"];
  leave();
  await inRunDirectory(out, "resume", async () => {
    expect(readdirSync(join(out, "checkpoints")).sort()).toEqual(left);
    expect(readdirSync(out).some((name) => name.endsWith(".tmp"))).toBe(false);
    leave();
    await tidyRun(out); // the run is under way
    expect(readdirSync(join(out, "checkpoints"))).toHaveLength(4);
  });
  await tidyRun(out);
  expect(readdirSync(join(out, "checkpoints")).sort()).toEqual(left);
  await tidyRun(join(out, "none"));
  expect(existsSync(join(out, "none"))).toBe(false);
});
