import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verify } from "../../src/graph/verify.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { buildStep, compareResult, manifest, runStep, type StepVariant } from "../support/pretrain-step.js";
import { compareTensors, reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";

const PLAIN: StepVariant = { name: "as it is" };
const VARIANTS: readonly StepVariant[] = [
  PLAIN,
  { name: "every block recomputed", recompute: true },
  { name: "attention in tiles of 12 KiB", tileBytes: 12288 },
];

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 1 });
});
afterAll(() => runtime.dispose());

describe("a pretraining step equals PyTorch's", () => {
  const results = manifest.outputs.filter(({ name }) => name !== "loss/denoise_image");

  test.for(VARIANTS)("$name", async (variant, { annotate }) => {
    const step = buildStep(variant);
    verify(step.graph);
    expect([...step.graph.outputs.keys()].sort()).toEqual(results.map(({ name }) => name).sort());
    if (variant !== PLAIN) expect(step.graph.nodes.length).toBeGreaterThan(buildStep(PLAIN).graph.nodes.length);

    const found = await runStep(runtime, step);
    const compared = results.flatMap((result) => compareResult(result, found.get(result.name)!));
    const worst = compared.reduce((a, b) => (b.relative > a.relative ? b : a));
    await annotate(`${worst.relative.toExponential(1)} of its scale: ${worst.name}`, "largest difference");
    expect(reportDifferences(compared, TOLERANCES.cpu.parity)).toBe("");
  });

  test("with the image as the denoising target", async () => {
    const found = await runStep(runtime, buildStep({ name: "image", denoiseTarget: "image" }));
    const result = manifest.outputs.find(({ name }) => name === "loss/denoise_image")!;
    expect(reportDifferences(compareResult(result, found.get(result.name)!), TOLERANCES.cpu.parity)).toBe("");
  });

  test("the same parameters learn, and the same ones decay", () => {
    const { declarations, trained } = buildStep(PLAIN);
    const online = manifest.tensors.filter(({ decay }) => decay !== undefined);
    expect([...trained].sort()).toEqual(online.map(({ name }) => name).sort());
    expect(trained.filter((name) => declarations.get(name)!.decay).sort()).toEqual(
      online.flatMap(({ name, decay }) => (decay ? name : [])).sort(),
    );
  });
});

test("gradients and losses of two images are the mean of those of each image", async () => {
  const both = await runStep(runtime, buildStep(PLAIN));
  const single = buildStep({ name: "one image", batch: 1 });
  const [first, second] = [await runStep(runtime, single, [0]), await runStep(runtime, single, [1])];
  const averaged = [...both.keys()].filter((name) => /^(grad|loss)\//.test(name));
  expect(averaged).toHaveLength(manifest.tensors.filter(({ decay }) => decay !== undefined).length + 3);
  const compared = averaged.map((name) => {
    const mean = first.get(name)!.map((value, i) => (value + second.get(name)![i]) / 2);
    return compareTensors(both.get(name)!, { name, shape: [mean.length], values: mean });
  });
  expect(reportDifferences(compared, TOLERANCES.cpu.operator)).toBe("");
  expect(first.get("loss/total")![0]).not.toBeCloseTo(second.get("loss/total")![0], 3);
});
