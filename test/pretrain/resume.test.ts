import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import { RandomStream } from "../../src/core/random.js";
import { loadSettings } from "../../src/pretrain/settings-resolution.js";
import { completeCommand, startCommand } from "../support/command-line.js";
import { checkpointSteps, hasLogged, resultOf } from "../support/finished-run.js";
import { truncateFile, writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

/** An epoch is 5 steps and a half: 24 images, 2 of them held out. */
const IMAGES = 24;
const STEPS = 13;
const SETS = [
  ...SMALLEST,
  "data.heldOut=2",
  "run.batch=4",
  `run.steps=${STEPS}`,
  "run.checkpointEvery=3",
  "run.monitorEvery=4",
];

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-resume-"));
const images = join(folder, "images");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newRun = (out: string, ...sets: string[]) => [
  ...["pretrain", "--images", images, "--preset", "tiny", "--out", out, "--cores", "2"],
  ...[...SETS, ...sets].flatMap((set) => ["--set", set]),
];
const resumed = (out: string, cores = 2) => ["pretrain", "--resume", out, "--cores", String(cores)];

let unbroken: ReturnType<typeof resultOf>;
beforeAll(async () => {
  await writeImages(images, IMAGES);
  truncateFile(join(images, "005.png"));
  const run = join(folder, "unbroken");
  await completeCommand(newRun(run));
  unbroken = resultOf(run);
});

test("the unbroken run logs every step once, and its checkpoints", () => {
  expect(unbroken.metrics.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  expect(unbroken.steps).toEqual([12, 13]);
  expect(unbroken.skipped).toEqual([
    { step: expect.any(Number), file: join(images, "005.png"), reason: expect.any(String) },
  ]);
});

test("a run killed at random moments and resumed equals the unbroken one, bit for bit, on any number of cores", async () => {
  const run = join(folder, "killed");
  const random = new RandomStream({ seed: 11, purpose: "kill" });
  // The first kill comes before the first checkpoint, at step 3.
  for (const [round, step] of [1, 7].entries()) {
    const command = startCommand(round === 0 ? newRun(run) : resumed(run, 1));
    await command.until(() => hasLogged(run, step));
    await sleep(random.uniform(0, 40));
    command.signal("SIGKILL");
    expect(await command.ended, command.output).toBe("SIGKILL");
  }
  await completeCommand(resumed(run, 3));
  expect(resultOf(run)).toEqual(unbroken);
});

test("Ctrl-C ends the step, saves and exits with 130; the resumed run equals the unbroken one", async () => {
  const run = join(folder, "interrupted");
  const command = startCommand(newRun(run));
  await command.until(() => hasLogged(run, 4));
  command.signal("SIGINT");
  expect(await command.ended, command.output).toBe(130);
  expect(command.output).toContain("SIGINT: stopping after this step");
  const stopped = Number(/Stopped at step (\d+)\. Go on with: mask-jepa pretrain --resume/.exec(command.output)?.[1]);
  expect(Math.max(...checkpointSteps(run))).toBe(stopped);
  expect(existsSync(join(run, "run.lock"))).toBe(false);

  await completeCommand(resumed(run));
  expect(resultOf(run)).toEqual(unbroken);
});

test("a second Ctrl-C quits at once, in the middle of a step", async () => {
  const run = join(folder, "quit");
  const command = startCommand(newRun(run, "run.batch=100"));
  await command.until(() => hasLogged(run, 1));
  command.signal("SIGINT");
  await command.until(() => command.output.includes("stopping after this step"));
  command.signal("SIGINT");
  expect(await command.ended, command.output).toBe(130);
  expect(command.output).not.toContain("Stopped at step");
  expect(checkpointSteps(run)).toEqual([]);
  expect(existsSync(join(run, "run.lock"))).toBe(false);
});

describe("another length", () => {
  const CONSTANT = ["optim.schedule=constant", "pretrain.emaStart=0.9", "pretrain.emaEnd=0.9", "run.monitorEvery=100"];
  const pretrain = (...args: string[]) => runMain("pretrain", ...args);
  const long = join(folder, "long");
  const longer = join(folder, "longer");
  beforeAll(async () => {
    await completeCommand(newRun(long, ...CONSTANT, "optim.warmup=0.34", "run.steps=6"));
    // A warm-up of two steps, both of them.
    await completeCommand(newRun(longer, ...CONSTANT, "optim.warmup=0.6", "run.steps=3"));
  });

  test("a run made longer equals one that was as long from the start, and stores its new length", async () => {
    await completeCommand([...resumed(longer), "--steps", "6"]);
    const [a, b] = [resultOf(longer), resultOf(long)];
    expect(a.weights).toEqual(b.weights);
    expect(a.metrics.map(({ step, loss }) => [step, loss])).toEqual(b.metrics.map(({ step, loss }) => [step, loss]));
    const stored = loadSettings(join(longer, "config.yaml"));
    expect(stored.run.steps).toBe(6);
    expect(Math.round(stored.optim.warmup * 6)).toBe(2);
  });

  test("is refused where steps that were taken would have been others, with the reason and the way out", async () => {
    const run = join(folder, "unbroken");
    const refused = await runMain(...resumed(run), "--steps", "20");
    expect(refused.code).toBe(1);
    expect(refused.err).toMatch(/depends on them, and step \d+ is taken/);
    expect(refused.err).toContain(`mask-jepa pretrain --from ${run} --steps N --out NEW`);
    const shorter = await runMain(...resumed(longer), "--steps", "2");
    expect(shorter.err).toContain("expected at least the 6 steps that the run has taken, found 2 steps");
    expect(resultOf(run)).toEqual(unbroken);
  });

  test("a new run begins with the weights and settings of a run", async () => {
    const run = join(folder, "from");
    const { code, out } = await pretrain("--from", long, "--steps", "1", "--set", "optim.lr=1e-12", "--out", run);
    expect(code).toBe(0);
    expect(out).toContain(`weights from step 6 of ${long}: backbone (80), pixel-decoder (37), `);
    const [before, after] = await Promise.all([long, run].map((path) => loadCheckpoint(path, { parts: ["model"] })));
    const moved = [...after.tensors.model].filter(([name, { data }]) => {
      const was = before.tensors.model.get(name)?.data as Float32Array;
      return (data as Float32Array).some((value, i) => Math.abs(value - was[i]) > 1e-6);
    });
    // The step's own batch enters the running statistics.
    expect(moved.map(([name]) => name).filter((name) => !name.includes("running_"))).toEqual([]);
    expect(loadSettings(join(run, "config.yaml"))).toMatchObject({ from: { run: long }, run: { batch: 4, steps: 1 } });
  });

  test("a new run from what is no pretraining, or with two sources of weights, is refused", async () => {
    expect((await pretrain("--from", images)).err).toContain(
      `${images}: expected a run, a file of weights, or a folder with model.safetensors, `,
    );
    const both = await pretrain("--from", long, "--set", "backbone.weights=a.pth");
    expect(both.err).toContain("either from.run or backbone.weights");
  });
});
