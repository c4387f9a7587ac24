import { describe, expect, it } from "vitest";
import { runFinetuning } from "../../src/finetune/run.js";
import { stepSizeOf as finetuneSize } from "../../src/finetune/settings.js";
import { resolveSettings as resolveFinetuning } from "../../src/finetune/settings-resolution.js";
import { dryRunOptions } from "../../src/pretrain/composition.js";
import { planPretraining } from "../../src/pretrain/dry-run.js";
import { runPretraining } from "../../src/pretrain/run.js";
import { stepSizeOf } from "../../src/pretrain/settings.js";
import { resolveSettings } from "../../src/pretrain/settings-resolution.js";
import { requireMemory } from "../../src/run/machine-memory.js";
import { leastMemory, leastWeights } from "../../src/run/memory-floor.js";
import { estimateMemory } from "../../src/run/step-estimate.js";

const GIB = 2 ** 30;
const NODE_ITSELF = 180 * 2 ** 20;

it.each([
  ["tiny", []],
  ["tiny", ["data.size=512", "pretrain.maskPatch=8", "run.recompute=[]"]],
  ["tiny", ["run.microBatch=4", "run.recompute=[backbone,encoder-layers,decoder-layers]"]],
  ["r50", ["data.size=128", "pretrain.maskPatch=2"]],
  ["swin-t", ["data.size=128", "pretrain.maskPatch=2"]],
  ["tiny", ["model.hiddenDim=1024"]],
])("the least memory of a step of %s %j is below what a dry run finds, and not by far", (preset, sets) => {
  const settings = resolveSettings({ preset, sets: [...sets, "run.cores=2", "data.heldOut=0"] });
  const plan = planPretraining(dryRunOptions(settings));
  const found = [...estimateMemory(plan, 2).values()].reduce((a, b) => a + b) - NODE_ITSELF;
  const online = plan.counts.reduce((sum, count) => sum + count.online, 0);
  expect(leastWeights(settings.model)).toBeLessThan(online);
  expect(leastWeights(settings.model)).toBeGreaterThan(0.5 * online);
  expect(leastMemory(stepSizeOf(settings))).toBeLessThan(found);
  expect(leastMemory(stepSizeOf(settings))).toBeGreaterThan(0.15 * found);
});

describe("what cannot fit is refused", () => {
  it("with what is there and what is needed", () => {
    const small = stepSizeOf(resolveSettings({ preset: "tiny" }));
    requireMemory("pretrain", small, GIB);
    expect(() => requireMemory("pretrain", small, GIB / 100)).toThrow(
      /^pretrain: expected .* fit into the 0\.0 GiB of this machine, found ones that need more than 0\.\d GiB\. Take /,
    );
  });

  it.each([
    ["data.heldOut=10000", "data.size=2048", "pretrain.maskPatch=32"],
    ["model.hiddenDim=4096", "model.decoderLayers=64", "model.decoderFfn=65536"],
    ["model.stageBlocks=[3,4,100,100]", "model.stageChannels=[16384,16384,16384,16384]"],
    ["run.batch=4096", "run.microBatch=256", "run.cores=16", "model.points=64"],
  ])("as what is large in other ways is: %s %s %s", (...sets) => {
    const settings = resolveSettings({ preset: "tiny", sets });
    expect(leastMemory(stepSizeOf(settings))).toBeGreaterThan(30 * GIB);
  });

  it.each([
    ["decoder.queries=10000", "data.crop=[4096,4096]", "run.microBatch=1"],
    ["criterion.points=1000000", "criterion.oversampling=100", "run.cores=1000", "run.batch=4000"],
  ])("fine-tuning: %s", (...sets) => {
    expect(leastMemory(finetuneSize(resolveFinetuning({ preset: "small", sets })))).toBeGreaterThan(30 * GIB);
  });

  it("by a run, before it looks for images", async () => {
    const sets = ["run.batch=65536", "data.images=[/nowhere]", "data.size=2048", "pretrain.maskPatch=32"];
    const settings = resolveSettings({ preset: "tiny", sets });
    const run = runPretraining({ settings, out: "/nowhere", start: "new" });
    await expect(run).rejects.toThrow(/need more than/); // 3 TiB of images
    const crops = ["run.batch=65536", "data.path=/nowhere", "data.crop=[2048,2048]"];
    const finetuning = resolveFinetuning({ preset: "small", sets: crops });
    await expect(runFinetuning({ settings: finetuning, out: "/nowhere", start: "new" })).rejects.toThrow(
      /need more than/,
    );
  });

  it("by a dry run too, where no machine holds a single map", () => {
    const sets = ["data.size=2048", "pretrain.maskPatch=32", "model.hiddenDim=512"];
    expect(() => resolveSettings({ preset: "tiny", sets })).toThrow(
      /--set model\.hiddenDim=512: expected at most 33,554,432 numbers in a map of features.*found 44,040,192 \(run\.microBatch 1, 2048x2048/,
    );
    const heads = ["data.size=2048", "pretrain.maskPatch=32", "model.stageHeads=[12,24,48,96]"];
    expect(() => resolveSettings({ preset: "swin-t", sets: heads })).toThrow(/expected at most 8,388,608 rows/);
    const crop = ["data.crop=[4096,4096]", "model.hiddenDim=256"];
    expect(() => resolveFinetuning({ preset: "small", sets: crop })).toThrow(/expected at most 33,554,432 numbers/);
  });
});
