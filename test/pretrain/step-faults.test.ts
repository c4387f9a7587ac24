import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import type { Pretrainer } from "../../src/pretrain/pretrainer.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { NonFiniteError } from "../../src/train/non-finite.js";
import { bitsOf } from "../support/bits.js";
import { interposed } from "../support/interposed-runtime.js";
import { createPretrainer, randomImages, smallestSettings } from "../support/tiny-pretraining.js";

const STEPS = 3;
const settings = smallestSettings("run.batch=4", "run.microBatch=1");

async function bits(pretrainer: Pretrainer) {
  return Object.fromEntries(Object.entries(await pretrainer.state()).map(([part, tensors]) => [part, bitsOf(tensors)]));
}

test.each([Number.NaN, Number.POSITIVE_INFINITY])("%f in one pixel stops the step and changes nothing", async (bad) => {
  const runtime = await createRuntime({ device: "cpu", cores: 2 });
  const pretrainer = await createPretrainer(runtime, settings, STEPS);
  onTestFinished(() => pretrainer.dispose());
  await pretrainer.step(0, randomImages(settings, 0), true);
  const before = await bits(pretrainer);

  const images = randomImages(settings, 1);
  images[(2 * images.length) / 4 + 5] = bad; // of the third micro-batch
  const error = await pretrainer.step(1, images, false).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(NonFiniteError);
  expect((error as Error).message).toBe("step 2: the loss is NaN");
  expect(await bits(pretrainer)).toEqual(before);

  const { losses } = await pretrainer.step(1, randomImages(settings, 1), false);
  expect(losses.loss).toBeGreaterThan(0);
  expect(await bits(pretrainer)).not.toEqual(before);
});

test("a micro-batch that fails ends the step with its error, when the others have ended", async () => {
  let running = 0;
  const failing = interposed(await createRuntime({ device: "cpu", cores: 2 }), async (index) => {
    running++;
    await sleep(index === 0 ? 0 : 50);
    running--;
    if (index === 0) throw new Error("out of memory");
  });
  const pretrainer = await createPretrainer(failing, settings, STEPS);
  onTestFinished(() => pretrainer.dispose());
  await expect(pretrainer.step(0, randomImages(settings, 0), false)).rejects.toThrow("out of memory");
  expect(running).toBe(0);
});
