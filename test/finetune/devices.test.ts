import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { TypedArray } from "../../src/core/tensor-data.js";
import { FAMILY_NAMES } from "../../src/families/families.js";
import type { FinetuneSettings } from "../../src/finetune/settings.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { DEVICES, isTooSlow, missingDevices, TOO_SLOW } from "../support/devices.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { createFinetuner, randomBatch, smallestOf, squares } from "../support/tiny-finetuning.js";
import { TOLERANCES } from "../support/tolerances.js";

const missing = await missingDevices();
/** What float32 leaves of the largest numbers. */
const ROUNDING = 1e-7;

async function train(runtime: Runtime, settings: FinetuneSettings) {
  const finetuner = await createFinetuner(runtime, settings);
  const report = await finetuner.step(
    0,
    randomBatch(settings, 0),
    [3, 2].slice(0, settings.run.batch).map((count) => squares(settings, count)),
  );
  const { optimizer } = await finetuner.state();
  const moments = new Map([...optimizer].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]));
  finetuner.dispose();
  return { report, moments };
}

describe.each(DEVICES.filter((device) => device !== "cpu"))("a fine-tuning step on %s", (device) => {
  let runtime: Runtime;
  beforeEach(({ skip }) => skip(missing.has(device), missing.get(device)));
  beforeAll(async () => {
    if (!missing.has(device)) runtime = await createRuntime({ device, cores: 1 });
  });
  afterAll(() => runtime?.dispose());

  test.for(FAMILY_NAMES)("goes as on the CPU: losses, gradient norm and moments of a %s", async (family, { skip }) => {
    skip(isTooSlow(device) && family !== FAMILY_NAMES[0], TOO_SLOW);
    const images = family === "oneformer" ? 2 : 1; // which are contrasted with each other
    const batch = [`run.batch=${images}`, `run.microBatch=${images}`];
    const settings = smallestOf(family, "model.norm=frozen", "model.decoderLayers=1", ...batch);
    const cpu = await train(await createRuntime({ device: "cpu", cores: 1 }), settings);
    const found = await train(runtime, settings);
    const numbers = ({ report: { losses, gradientNorm } }: typeof cpu) => [...Object.values(losses), gradientNorm];
    const values = numbers(cpu);
    const compared = [compareTensors(numbers(found), { name: "report", shape: [values.length], values })];
    const largest = (data: TypedArray) => Array.from(data, Number).reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    const momentsOf = (kind: string) => [...cpu.moments].filter(([name]) => name.startsWith(`${kind}.`));
    for (const kind of ["exp_avg", "exp_avg_sq"]) {
      // Some gradients, as of a bias that all keys share, are zero but for rounding.
      const most = Math.max(...momentsOf(kind).map(([, { data }]) => largest(data)));
      const nothing = (ROUNDING * most) / TOLERANCES[device].parity;
      for (const [name, { shape, data: values }] of momentsOf(kind)) {
        const scale = Math.max(largest(values), nothing);
        compared.push(compareTensors(found.moments.get(name)!.data, { name, shape, values, scale }));
      }
    }
    expect(compared).toHaveLength(1 + found.moments.size);
    expect(reportDifferences(compared, TOLERANCES[device].parity)).toBe("");
  });
});
