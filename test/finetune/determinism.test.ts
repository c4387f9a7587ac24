import { afterAll, expect, test } from "vitest";
import type { StepReport } from "../../src/finetune/finetuner.js";
import type { FinetuneSettings } from "../../src/finetune/settings.js";
import type { Target } from "../../src/masks/segmentation.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { NonFiniteError } from "../../src/train/non-finite.js";
import { bitsOf } from "../support/bits.js";
import { createFinetuner, randomBatch, smallestFinetuning, squares } from "../support/tiny-finetuning.js";

const runtimes: Runtime[] = [];
afterAll(() => {
  for (const runtime of runtimes) runtime.dispose();
});

async function openRuntime(cores: number): Promise<Runtime> {
  const runtime = await createRuntime({ device: "cpu", cores });
  runtimes.push(runtime);
  return runtime;
}

/** No object, one, some, and more than the model has queries. */
const COUNTS = [0, 1, 5, 11];

async function train(settings: FinetuneSettings, runtime: Runtime) {
  const finetuner = await createFinetuner(runtime, settings);
  const reports: StepReport[] = [];
  const targets: Target[][] = COUNTS.map((count) => squares(settings, count));
  for (let step = 0; step < 2; step++) {
    reports.push(await finetuner.step(step, randomBatch(settings, step), targets));
  }
  const state = await finetuner.state();
  const bits = { model: bitsOf(state.model), optimizer: bitsOf(state.optimizer) };
  finetuner.dispose();
  return { reports, bits };
}

const settings = smallestFinetuning("run.microBatch=1");
const single = await openRuntime(1);
const reference = await train(settings, single);

test("3 cores compute what one core does, bit for bit, with none to too many objects", async () => {
  expect(await train(settings, await openRuntime(3))).toEqual(reference);
  const [first, second] = reference.reports;
  expect(first.losses.loss).toBeGreaterThan(0);
  expect(second.losses).not.toEqual(first.losses);
});

test("every supervised output has its three losses, and their weighted sum is the loss", () => {
  const { loss, ...parts } = reference.reports[0].losses;
  const weights = { ce: 2, mask: 5, dice: 5 };
  const names = ["", "_0", "_1"].flatMap((suffix) => ["ce", "mask", "dice"].map((kind) => `loss_${kind}${suffix}`));
  expect(Object.keys(parts).sort()).toEqual(names.sort());
  const sum = Object.entries(parts).reduce(
    (total, [name, value]) => total + weights[name.split("_")[1] as keyof typeof weights] * value,
    0,
  );
  expect(loss).toBeCloseTo(sum, 6);
});

test("micro-batches of one image and of four train alike up to rounding", async () => {
  const fixedNorm = "model.norm=frozen"; // batch statistics are those of a micro-batch
  const parts = await train(smallestFinetuning("run.microBatch=1", fixedNorm), single);
  const whole = await train(smallestFinetuning("run.microBatch=4", fixedNorm), single);
  expect(whole.reports[0].losses.loss).toBeCloseTo(parts.reports[0].losses.loss, 4);
  expect(whole.reports[0].gradientNorm / parts.reports[0].gradientNorm).toBeCloseTo(1, 3);
  expect(whole.bits.model).not.toEqual(parts.bits.model);
});

test("another seed draws other points and weights", async () => {
  const other = await train(smallestFinetuning("run.microBatch=1", "run.seed=1"), single);
  expect(other.reports[0].losses).not.toEqual(reference.reports[0].losses);
});

test("NaN in an image names the image of the batch and changes nothing", async () => {
  const finetuner = await createFinetuner(single, settings);
  const targets = COUNTS.map((count) => squares(settings, count));
  const before = bitsOf((await finetuner.state()).model);
  const images = randomBatch(settings, 0);
  images[(2 * images.length) / 4 + 5] = Number.NaN; // of the third image
  const error = await finetuner.step(0, images, targets).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(NonFiniteError);
  expect(error).toMatchObject({ step: 1, image: 2, what: expect.stringMatching(/^a matching cost is NaN/) });
  expect(bitsOf((await finetuner.state()).model)).toEqual(before);
  finetuner.dispose();
});
