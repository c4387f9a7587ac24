import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { StepReport } from "../../src/pretrain/pretrainer.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import type { TrainingState } from "../../src/train/training-state.js";
import { DEVICES, isTooSlow, missingDevices, TOO_SLOW } from "../support/devices.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { createPretrainer, randomImages, smallestSettings, smallestSwinSettings } from "../support/tiny-pretraining.js";
import { TOLERANCES } from "../support/tolerances.js";

const STEPS = 2;
const BACKBONES = {
  ResNet: smallestSettings("model.norm=frozen", "run.microBatch=1"),
  // Adam's first steps have full length however small the gradient: a larger epsilon keeps them from magnifying its
  // rounding.
  "Swin Transformer": smallestSwinSettings("run.microBatch=1", "optim.eps=1e-5"),
};
const missing = await missingDevices();

async function train(
  runtime: Runtime,
  settings: PretrainSettings,
): Promise<{ reports: StepReport[]; state: TrainingState }> {
  const pretrainer = await createPretrainer(runtime, settings, STEPS);
  const reports: StepReport[] = [];
  for (let step = 0; step < STEPS; step++) {
    reports.push(await pretrainer.step(step, randomImages(settings, step), step === 0));
  }
  const state = await pretrainer.state();
  pretrainer.dispose();
  return { reports, state };
}

/** The numbers of a report, as one tensor; not the effective rank, whose roots of tiny eigenvalues magnify rounding. */
const numbersOf = ({ losses, gradientNorm, cosine, monitors }: StepReport) => [
  ...Object.values(losses),
  gradientNorm,
  cosine,
  ...(monitors ? [monitors.targetStd, monitors.meanError, monitors.explainedVariance!] : []),
];

describe.each(DEVICES.filter((device) => device !== "cpu"))("a short pretraining on %s", (device) => {
  let runtime: Runtime;
  beforeEach(({ skip }) => {
    skip(missing.has(device), missing.get(device));
    skip(isTooSlow(device), TOO_SLOW); // a step of fine-tuning has the same operators
  });
  beforeAll(async () => {
    if (!missing.has(device) && !isTooSlow(device)) runtime = await createRuntime({ device, cores: 1 });
  });
  afterAll(() => runtime?.dispose());

  test.each(Object.entries(BACKBONES))("%s goes as on the CPU: reports, moments and averages", async (_, settings) => {
    const cpu = await train(await createRuntime({ device: "cpu", cores: 2 }), settings);
    const found = await train(runtime, settings);
    const compared = found.reports.map((report, step) => {
      const values = numbersOf(cpu.reports[step]);
      return compareTensors(numbersOf(report), { name: `report of step ${step + 1}`, shape: [values.length], values });
    });
    for (const part of ["optimizer", "target"] as const) {
      expect([...found.state[part].keys()].sort()).toEqual([...cpu.state[part].keys()].sort());
      for (const [name, { shape, data }] of found.state[part]) {
        const values = cpu.state[part].get(name)!.data;
        compared.push(compareTensors(data, { name: `${part} ${name}`, shape, values }));
      }
    }
    expect(reportDifferences(compared, TOLERANCES[device].parity)).toBe("");
  });
});
