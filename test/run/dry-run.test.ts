import { describe, expect, test } from "vitest";
import { segmentationOptions } from "../../src/finetune/composition.js";
import { planFinetuning } from "../../src/finetune/dry-run.js";
import { resolveSettings as resolveFinetuning } from "../../src/finetune/settings-resolution.js";
import { dryRunOptions } from "../../src/pretrain/composition.js";
import { plannedStep, planPretraining } from "../../src/pretrain/dry-run.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import { resolveSettings } from "../../src/pretrain/settings-resolution.js";
import { printEstimates } from "../../src/run/dry-run.js";
import { countParameters, estimateMemory, estimateSeconds } from "../../src/run/step-estimate.js";

const planStep = (settings: PretrainSettings) => planPretraining(dryRunOptions(settings));
const tiny = resolveSettings({ preset: "tiny", sets: ["pretrain.denoising=true"] });
const plan = planStep(tiny);
const total = (map: ReadonlyMap<string, number>) => [...map.values()].reduce((a, b) => a + b);

describe("parameters", () => {
  test("everything learns from random initialisation", () => {
    for (const { online, learnable } of plan.counts) expect(learnable).toBe(online);
    expect(plan.counts.map(({ target }) => target > 0)).toEqual([true, true, false, false]);
  });

  test("a frozen ResNet-50 is shared and learns nothing", () => {
    // Small maps: the counts do not depend on them.
    const sets = ["data.size=64", "pretrain.maskPatch=4", "backbone.weights=x.safetensors"];
    const { counts } = planStep(resolveSettings({ preset: "paper-r50", sets }));
    // ResNet-50's convolutions; their norms' 4 x 26,560 numbers are fixed.
    expect(counts[0]).toEqual({ part: "backbone", online: 23_454_912, learnable: 0, target: 0, buffers: 106_240 });
    expect(counts[1]).toMatchObject({ online: 6_035_904, learnable: 6_035_904, target: 6_035_904 });
    expect(counts[3].target).toBe(0);
  });

  test("Swin-T has the numbers of Mask2Former's, its pixel decoder too", () => {
    const sets = ["data.size=64", "pretrain.maskPatch=4", "backbone.weights=x.safetensors"];
    const frozen = countParameters(plannedStep(dryRunOptions(resolveSettings({ preset: "paper-swin-t", sets }))));
    expect(frozen[0]).toEqual({ part: "backbone", online: 27_520_698, learnable: 0, target: 0, buffers: 0 });
    expect(frozen[1]).toMatchObject({ online: 5_421_504, learnable: 5_421_504, target: 5_421_504 });
    const trains = resolveSettings({ preset: "swin-t", sets: ["data.size=64", "pretrain.maskPatch=1"] });
    const [trained] = countParameters(plannedStep(dryRunOptions(trains)));
    expect(trained).toMatchObject({ learnable: 27_520_698, target: 27_520_698 });
  });
});

describe("estimates", () => {
  const machine = { cores: 2, operations: 1e11, bandwidth: 1e10 };

  test("each core adds gradients and activations of a micro-batch; the sum lies in one of them where possible", () => {
    const [one, two, three, four] = [1, 2, 3, 4].map((cores) => total(estimateMemory(plan, cores)));
    const gradients = 4 * plan.counts.reduce((sum, count) => sum + count.learnable, 0);
    expect(plan.microBatches).toBe(4);
    expect(two - one).toBeCloseTo(three - two, 0);
    expect(two - one).toBeGreaterThan(gradients + plan.microBatch.reduce((sum, { peak }) => sum + peak, 0));
    expect(four - three).toBeCloseTo(three - two - gradients, 0);
    const narrow = { ...plan, microBatches: 1 };
    expect(estimateMemory(narrow, 2)).toEqual(estimateMemory(narrow, 1));
  });

  test("micro-batches run in rounds, as many at once as there are cores", () => {
    const seconds = (microBatches: number, cores: number) =>
      estimateSeconds({ ...plan, microBatches }, { ...machine, cores });
    expect(seconds(8, 2)).toBeCloseTo(seconds(8, 1) / 2, 9);
    expect(seconds(3, 2)).toBe(seconds(4, 2));
    expect(estimateSeconds(plan, { ...machine, operations: 1e10 })).toBeGreaterThan(estimateSeconds(plan, machine));
  });

  test("a fine-tuning step has no target, and parts of its own", () => {
    const small = resolveFinetuning({ preset: "small" });
    const planned = planFinetuning(segmentationOptions(small, 8), small.optim, small.run.batch);
    expect(planned.counts.map(({ part, target }) => [part, target])).toEqual([
      ["backbone", 0],
      ["pixel decoder", 0],
      ["transformer decoder", 0],
    ]);
    expect(total(estimateMemory(planned, 2))).toBeGreaterThan(total(estimateMemory(planned, 1)));
  });
});

test("printEstimates shows aligned tables", async () => {
  const printed: string[] = [];
  await printEstimates(plan, { device: "cpu", cores: 1, steps: 500 }, (text) => printed.push(text));
  const [parameters, memory, time] = printed;
  for (const text of [parameters, memory]) {
    const lines = text.trimEnd().split("\n").slice(1);
    expect(new Set(lines.map((line) => line.length)).size).toBe(1);
  }
  expect(parameters).toMatch(/ {2}total +494,099 +494,099 +271,696 +2,432/);
  expect(memory).toMatch(/ {2}total +\d+\.\d MiB/);
  expect(time).toMatch(/ {2}4 images +\d+(\.\d\d)? s/);
  expect(time).toMatch(/ {2}the whole run, 500 steps +\d+ (s|min)\b/);
});
