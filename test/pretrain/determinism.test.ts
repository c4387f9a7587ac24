import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import type { StepReport } from "../../src/pretrain/pretrainer.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { bitsOf } from "../support/bits.js";
import { interposed } from "../support/interposed-runtime.js";
import { createPretrainer, randomImages, smallestSettings } from "../support/tiny-pretraining.js";

const STEPS = 3;
const BATCH = ["run.batch=4", "run.microBatch=1"];
const runtimes: Runtime[] = [];
afterAll(() => {
  for (const runtime of runtimes) runtime.dispose();
});

interface Trained {
  reports: StepReport[];
  /** Of every weight, moment and average, by checkpoint part. */
  bits: Record<string, Record<string, string>>;
}

async function openRuntime(cores: number): Promise<Runtime> {
  const runtime = await createRuntime({ device: "cpu", cores });
  runtimes.push(runtime);
  return runtime;
}

async function train(settings: PretrainSettings, runtime: Runtime): Promise<Trained> {
  const pretrainer = await createPretrainer(runtime, settings, STEPS);
  const reports: StepReport[] = [];
  for (let step = 0; step < STEPS; step++) {
    reports.push(await pretrainer.step(step, randomImages(settings, step), step === STEPS - 1));
  }
  const state = Object.entries(await pretrainer.state()).map(([part, tensors]) => [part, bitsOf(tensors)]);
  pretrainer.dispose();
  return { reports, bits: Object.fromEntries(state) };
}

const settings = smallestSettings(...BATCH);
const single = await openRuntime(1);
const reference = await train(settings, single);

test.each([2, 3])("%i cores compute what one core does, bit for bit", async (cores) => {
  expect(await train(settings, await openRuntime(cores))).toEqual(reference);
});

test("the order in which micro-batches end changes no bit", async () => {
  const late = interposed(await openRuntime(3), (index) => sleep([60, 30, 0, 0][index % 4]));
  expect(await train(settings, late)).toEqual(reference);
});

test("the same seed gives the same bits, another one others, and every part of the state is compared", async () => {
  expect(await train(settings, single)).toEqual(reference);
  const other = await train(smallestSettings(...BATCH, "run.seed=1"), single);
  expect(other.reports.map(({ losses }) => losses)).not.toEqual(reference.reports.map(({ losses }) => losses));
  for (const part of ["model", "target", "optimizer"]) {
    expect(Object.keys(other.bits[part])).toEqual(Object.keys(reference.bits[part]));
    expect(other.bits[part]).not.toEqual(reference.bits[part]);
  }
  expect(Object.keys(reference.bits.optimizer).length).toBeGreaterThan(100);
});

test("micro-batches of one image and of four train alike up to rounding", async () => {
  const fixedNorm = "model.norm=frozen"; // batch statistics are those of a micro-batch
  const parts = await train(smallestSettings(...BATCH, fixedNorm), single);
  const whole = await train(smallestSettings("run.batch=4", "run.microBatch=4", fixedNorm), single);
  whole.reports.forEach(({ losses, gradientNorm }, step) => {
    const digits = step === 0 ? 5 : 3;
    expect(losses.loss).toBeCloseTo(parts.reports[step].losses.loss, digits);
    expect(gradientNorm / parts.reports[step].gradientNorm).toBeCloseTo(1, digits - 1);
  });
  // So the equal bits above are no accident of exact sums.
  expect(whole.bits.model).not.toEqual(parts.bits.model);
});
