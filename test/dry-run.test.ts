import { describe, expect, test } from "vitest";
import { countParameters, estimateMemory, estimateSeconds, planStep, printDryRun } from "../src/pretrain/dry-run.js";
import { resolveSettings } from "../src/pretrain/settings-resolution.js";

const tiny = resolveSettings({ preset: "tiny" });
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
    const frozen = countParameters(resolveSettings({ preset: "paper-swin-t", sets }));
    expect(frozen[0]).toEqual({ part: "backbone", online: 27_520_698, learnable: 0, target: 0, buffers: 0 });
    expect(frozen[1]).toMatchObject({ online: 5_421_504, learnable: 5_421_504, target: 5_421_504 });
    const [trained] = countParameters(
      resolveSettings({ preset: "swin-t", sets: ["data.size=64", "pretrain.maskPatch=1"] }),
    );
    expect(trained).toMatchObject({ learnable: 27_520_698, target: 27_520_698 });
  });
});

describe("estimates", () => {
  const machine = { cores: 2, operations: 1e11, bandwidth: 1e10 };

  test("each core adds the gradients and activations of a micro-batch", () => {
    const [one, two, three] = [1, 2, 3].map((cores) => total(estimateMemory(tiny, plan, cores)));
    const learnable = plan.counts.reduce((sum, count) => sum + count.learnable, 0);
    expect(two - one).toBeCloseTo(three - two, 0);
    expect(two - one).toBeGreaterThan(4 * learnable + plan.microBatch.reduce((sum, { peak }) => sum + peak, 0));
    const narrow = { ...tiny, run: { ...tiny.run, batch: 1 } };
    expect(estimateMemory(narrow, plan, 2)).toEqual(estimateMemory(narrow, plan, 1));
  });

  test("micro-batches run in rounds, as many at once as there are cores", () => {
    const seconds = (batch: number, cores: number) =>
      estimateSeconds({ ...tiny, run: { ...tiny.run, batch } }, plan, { ...machine, cores });
    expect(seconds(8, 2)).toBeCloseTo(seconds(8, 1) / 2, 9);
    expect(seconds(3, 2)).toBe(seconds(4, 2));
    expect(estimateSeconds(tiny, plan, { ...machine, operations: 1e10 })).toBeGreaterThan(seconds(8, 2));
  });
});

test("printDryRun shows settings that load again, and aligned tables", async () => {
  const printed: string[] = [];
  await printDryRun({ ...tiny, run: { ...tiny.run, cores: 1 } }, (text) => printed.push(text));
  const [settings, parameters, memory, time] = printed;
  expect(settings).toContain("hiddenDim: 64");
  for (const text of [parameters, memory]) {
    expect(
      new Set(
        text
          .trimEnd()
          .split("\n")
          .map((line) => line.length),
      ).size,
    ).toBe(1);
  }
  expect(parameters).toMatch(/ {2}total +494,099 +494,099 +271,696 +2,432/);
  expect(memory).toMatch(/ {2}total +\d+\.\d MiB/);
  expect(time).toMatch(/ {2}4 images +\d+(\.\d\d)? s/);
});
