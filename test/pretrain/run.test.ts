import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import { folderSource } from "../../src/data/files/folder-source.js";
import { heldOutIndices } from "../../src/pretrain/held-out.js";
import { readMetrics } from "../../src/run/metrics-log.js";
import { checkpointSteps, resultOf } from "../support/finished-run.js";
import { truncateFile, writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-run-"));
const images = join(folder, "images");
const IMAGES = 20;
beforeAll(() => writeImages(images, IMAGES));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs `mask-jepa pretrain` in this process; gives its exit code and what it printed. */
async function pretrain(...args: readonly string[]): Promise<{ code: number; printed: string }> {
  const { code, out, err } = await runMain("pretrain", ...args);
  return { code, printed: out + err };
}

const SETS = [...SMALLEST, "run.steps=2", "data.heldOut=1", "run.checkpointEvery=1"];
const newRun = (out: string, ...sets: readonly string[]) => [
  ...["--images", images, "--preset", "tiny", "--out", out, "--cores", "2"],
  ...[...SETS, ...sets].flatMap((set) => ["--set", set]),
];

describe("the folder of a run", () => {
  const run = join(folder, "a");
  beforeEach(async () => {
    if (existsSync(run)) return;
    const { code, printed } = await pretrain(...newRun(run));
    expect(code, printed).toBe(0);
  });

  test("holds the settings, the logs, the checkpoints and the report", () => {
    expect(readdirSync(run).sort()).toEqual([
      "checkpoints",
      "config.yaml",
      "metrics.jsonl",
      "report.html",
      "skipped.jsonl",
      "tensorboard",
    ]);
    expect(checkpointSteps(run)).toEqual([1, 2]);
    const [first, last] = readMetrics(join(run, "metrics.jsonl"));
    const measured = ["loss", "reconstruction", "denoising", "gradient-norm", "learning-rate", "tau", "cosine"];
    for (const name of [...measured, "target-std", "effective-rank", "held-out-error", "images-per-second"]) {
      expect(Number(first[name]), name).toBeGreaterThan(0);
    }
    expect([first.tau, last.tau]).toEqual([0.996, 1]);
  });

  test("refuses a new run, with or without --overwrite where it is no run's", async () => {
    const before = resultOf(run);
    const { code, printed } = await pretrain(...newRun(run));
    expect(code).toBe(1);
    expect(printed).toContain(`--out ${run}: expected a folder without a run, found a run.`);
    expect(resultOf(run)).toEqual(before);

    const foreign = join(folder, "images");
    const refused = await pretrain(...newRun(foreign), "--overwrite");
    expect(refused.code).toBe(1);
    expect(refused.printed).toContain("files that are no run's, such as 000.png");
    expect(readdirSync(foreign)).toHaveLength(IMAGES);
  });

  test("goes on with a finished run by writing its report again, and with no other settings or images", async () => {
    const before = resultOf(run);
    rmSync(join(run, "report.html"));
    expect((await pretrain("--resume", run)).code).toBe(0);
    expect(existsSync(join(run, "report.html"))).toBe(true);
    expect(resultOf(run)).toEqual(before);

    const changed = await pretrain("--resume", run, "--set", "optim.lr=0.5", "--seed", "3");
    expect(changed.code).toBe(1);
    expect(changed.printed).toContain("found changes of optim.lr, run.seed");

    const [from, to] = ["000.png", "zzz.png"].map((name) => join(images, name));
    renameSync(from, to);
    const moved = await pretrain("--resume", run);
    renameSync(to, from);
    expect(moved.code).toBe(1);
    expect(moved.printed).toContain(`expected the ${IMAGES} images that the run began with, under the same names`);
    expect(resultOf(run)).toEqual(before);
  });

  test("--overwrite replaces the run and leaves other files alone", async () => {
    writeFileSync(join(run, "notes.txt"), "mine");
    const { code, printed } = await pretrain(...newRun(run, "run.seed=5", "run.steps=1"), "--overwrite");
    expect(code, printed).toBe(0);
    expect(checkpointSteps(run)).toEqual([1]);
    expect(readMetrics(join(run, "metrics.jsonl"))).toHaveLength(1);
    expect(readFileSync(join(run, "notes.txt"), "utf8")).toBe("mine");
    expect(readFileSync(join(run, "config.yaml"), "utf8")).toContain("seed: 5");
  });
});

test("a run that diverges stops, names the step and its images, and saves the state before it", async () => {
  const run = join(folder, "diverged");
  const { code, printed } = await pretrain(...newRun(run, "optim.lr=1e30", "run.steps=8", "run.checkpointEvery=100"));
  expect(code).toBe(1);
  expect(printed).toMatch(
    /error: step 2: expected finite losses and gradients, found the loss is NaN; the images were/,
  );
  const failure = JSON.parse(readFileSync(join(run, "failure.json"), "utf8")) as { files: string[] };
  expect(failure).toEqual({ step: 2, what: "the loss is NaN", files: [expect.any(String), expect.any(String)] });
  for (const file of failure.files) {
    expect(printed).toContain(file);
    expect(existsSync(file)).toBe(true);
  }
  const { step, tensors } = await loadCheckpoint(run);
  expect(step).toBe(1);
  const moments = [...tensors.optimizer.values()].every(({ data }) => (data as Float32Array).every(Number.isFinite));
  expect(moments).toBe(true);
  expect(readMetrics(join(run, "metrics.jsonl")).map((record) => record.step)).toEqual([1]);

  // Resumed, it comes to the same end.
  const again = await pretrain("--resume", run);
  expect([again.code, again.printed.match(/error: step 2: /g)?.length]).toEqual([1, 1]);
});

describe("images that cannot be used", () => {
  const broken = join(folder, "broken-images");
  const seed = 0;
  let bad: string[];
  beforeAll(async () => {
    await writeImages(broken, IMAGES);
    const source = await folderSource(broken);
    // One that is held out, and one of the others.
    const held = heldOutIndices(seed, 2, IMAGES);
    const seen = Array.from({ length: IMAGES }, (_, i) => i).find((i) => !held.includes(i))!;
    bad = [source.name(held[0]), source.name(seen)];
    for (const file of bad) truncateFile(file);
    writeFileSync(join(broken, "photo.heic"), "not read");
  });

  test("are skipped, counted and listed once, in training and held out", async () => {
    const run = join(folder, "broken");
    const sets = ["data.heldOut=2", "run.batch=8", "run.steps=5", `run.seed=${seed}`];
    const { code, printed } = await pretrain(...newRun(run, ...sets, `data.images=[${broken}]`).slice(2));
    expect(code, printed).toBe(0);
    expect(printed).toContain(`3 images could not be used; listed in ${join(run, "skipped.jsonl")}.`);
    const skipped = readMetrics(join(run, "skipped.jsonl"));
    expect(skipped.map(({ file }) => file).sort()).toEqual([...bad, join(broken, "photo.heic")].sort());
    for (const { file, reason } of skipped) expect(printed.split(`Skipped ${file}: ${reason}`)).toHaveLength(2);
    expect(readMetrics(join(run, "metrics.jsonl")).at(-1)?.["held-out-error"]).toBeGreaterThan(0);
  });

  test("all of them: the run ends, and the corrected command starts", async () => {
    const none = join(folder, "none-usable");
    await writeImages(none, 2);
    for (const name of readdirSync(none)) truncateFile(join(none, name));
    const run = join(folder, "corrected");
    const failed = await pretrain(...newRun(run, "data.heldOut=0", `data.images=[${none}]`).slice(2));
    expect([failed.code, failed.printed]).toEqual([1, expect.stringContaining("most of them to be readable")]);
    expect(existsSync(run)).toBe(false);
    const { code, printed } = await pretrain(...newRun(run, "run.steps=1"));
    expect(code, printed).toBe(0);
  });
});
