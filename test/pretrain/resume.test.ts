import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { completeCommand, startCommand } from "../support/command-line.js";
import { checkpointSteps, hasLogged, resultOf } from "../support/finished-run.js";
import { truncateFile, writeImages } from "../support/image-folder.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

/** An epoch is 5 steps and a half: 24 images, 2 of them held out. */
const IMAGES = 24;
const STEPS = 16;
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
  expect(unbroken.steps).toEqual([15, 16]);
  expect(unbroken.skipped).toEqual([
    { step: expect.any(Number), file: join(images, "005.png"), reason: expect.any(String) },
  ]);
});

test("a run killed at random moments and resumed equals the unbroken one, bit for bit, on any number of cores", async () => {
  const run = join(folder, "killed");
  const random = new RandomStream({ seed: 11, purpose: "kill" });
  // The first kill comes before the first checkpoint, at step 3.
  for (const [round, step] of [1, 4, 8, 12].entries()) {
    const command = startCommand(round === 0 ? newRun(run) : resumed(run, round));
    await command.until(() => hasLogged(run, step));
    await sleep(random.uniform(0, 40));
    command.signal("SIGKILL");
    expect(await command.ended, command.output).toBe("SIGKILL");
  }
  await completeCommand(resumed(run));
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
