import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { completeCommand, startCommand } from "../support/command-line.js";
import { checkpointSteps, hasLogged, resultOf } from "../support/finished-run.js";
import { SMALLEST_FINETUNING, writeScenes } from "../support/tiny-finetuning.js";

const STEPS = 6;
const SETS = [
  ...SMALLEST_FINETUNING,
  `run.steps=${STEPS}`,
  "run.checkpointEvery=3",
  "run.evaluateEvery=4",
  "run.evaluateImages=2",
];

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-finetune-"));
const data = join(folder, "scenes");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const newRun = (out: string) => [
  ...["finetune", "--data", data, "--task", "panoptic", "--out", out, "--cores", "2"],
  ...SETS.flatMap((set) => ["--set", set]),
];

let unbroken: ReturnType<typeof resultOf>;
beforeAll(async () => {
  await writeScenes(data, 15);
  await completeCommand(newRun(join(folder, "unbroken")));
  unbroken = resultOf(join(folder, "unbroken"));
});

test("the unbroken run logs every step once, its scores where it was evaluated, and keeps its checkpoints", () => {
  expect(unbroken.metrics.map(({ step }) => step)).toEqual(Array.from({ length: STEPS }, (_, i) => i + 1));
  const evaluated = unbroken.metrics.filter((record) => "val-pq" in record).map(({ step }) => step);
  expect(evaluated).toEqual([4, 6]);
  expect(unbroken.steps).toContain(STEPS);
  expect(Object.keys(unbroken.weights).sort()).toEqual(["model.safetensors", "optimizer.safetensors"]);
});

test("a run killed between checkpoints and resumed on one core equals the unbroken one, bit for bit", async () => {
  const run = join(folder, "killed");
  const command = startCommand(newRun(run));
  await command.until(() => checkpointSteps(run).includes(3) && hasLogged(run, 4));
  command.signal("SIGKILL");
  await command.ended;
  await completeCommand(["finetune", "--resume", run, "--cores", "1"]);
  expect(resultOf(run)).toEqual(unbroken);
});

test("Ctrl-C ends the step, saves and exits with 130; the resumed run equals the unbroken one", async () => {
  const run = join(folder, "stopped");
  const command = startCommand(newRun(run));
  await command.until(() => hasLogged(run, 2));
  command.signal("SIGINT");
  expect(await command.ended).toBe(130);
  expect(command.output).toContain(`mask-jepa finetune --resume ${run}`);
  await completeCommand(["finetune", "--resume", run]);
  expect(resultOf(run)).toEqual(unbroken);
});

test("a run made longer equals one that was as long from the start, with more evaluations if need be", async () => {
  const [run, long] = [join(folder, "longer"), join(folder, "long")];
  const constant = ["--set", "optim.schedule=constant", "--set", "optim.warmup=0"];
  await completeCommand([...newRun(run), ...constant, "--steps", "3"]);
  await completeCommand(["finetune", "--resume", run, "--steps", "6", "--set", "run.evaluateEvery=5"]);
  await completeCommand([...newRun(long), ...constant, "--steps", "6"]);
  const [a, b] = [resultOf(run), resultOf(long)];
  expect(a.weights).toEqual(b.weights);
  expect(a.metrics.map(({ step, loss }) => [step, loss])).toEqual(b.metrics.map(({ step, loss }) => [step, loss]));
  expect(a.metrics.filter((record) => "val-pq" in record).map(({ step }) => step)).toEqual([3, 5, 6]);
});

test("a fine-tuned run is a start for another one", async () => {
  const from = join(folder, "unbroken");
  const printed = await completeCommand([...newRun(join(folder, "from")), "--from", from, "--steps", "1"]);
  expect(printed).toContain(`from step ${STEPS} of ${from}`);
});
