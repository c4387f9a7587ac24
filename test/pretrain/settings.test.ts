import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseValue } from "../../src/core/settings-file.js";
import { resolveSettings as resolveFinetuning } from "../../src/finetune/settings-resolution.js";
import { stepOptions } from "../../src/pretrain/composition.js";
import { PRESET_NAMES, PRESETS } from "../../src/pretrain/presets.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import { loadSettings, resolveSettings, resumeSettings, toYaml } from "../../src/pretrain/settings-resolution.js";
import { recordedReporter } from "../support/recorded-reporter.js";

const folder = mkdtempSync(join(tmpdir(), "settings-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const flag = (name: string, value: string) => ({
  path: name.split("."),
  value: parseValue(value, name),
  where: `--${name.split(".")[1]} ${value}`,
});

describe("presets", () => {
  test.each(PRESET_NAMES)("%s is valid as it stands, or with the weights that it asks for", (preset) => {
    const sets = PRESETS[preset].backbone.frozen ? ["backbone.weights=/weights.safetensors"] : [];
    expect(() => resolveSettings({ preset, sets })).not.toThrow();
  });

  test("paper-r50 has the numbers of the paper", () => {
    const { model, pretrain, data, optim, run } = PRESETS["paper-r50"];
    expect(model).toMatchObject({ hiddenDim: 256, heads: 8, decoderLayers: 9, stageBlocks: [3, 4, 6, 3] });
    expect(pretrain).toMatchObject({
      sigma: 0.4,
      maskRatio: 0.5,
      maskPatch: 8,
      selfAttentionBlocks: 2,
      emaStart: 0.996,
    });
    expect([data.size, optim.lr, run.batch, run.epochs]).toEqual([512, 1e-4, 32, 5]);
    expect(stepOptions(PRESETS["paper-r50"]).mask).toMatchObject({ cells: 64, patch: 8, patches: 32 });
  });

  test("paper-swin-t and swin-t differ from paper-r50 and r50 in the backbone alone", () => {
    for (const [swin, resnet] of [
      ["paper-swin-t", "paper-r50"],
      ["swin-t", "r50"],
    ] as const) {
      const { model, ...rest } = PRESETS[swin];
      const { model: other, ...otherRest } = PRESETS[resnet];
      expect(rest).toEqual(otherRest);
      expect(model).toMatchObject({ backbone: "swin", embedDim: 96, stageHeads: [3, 6, 12, 24], dropPath: 0.3 });
      expect(model.hiddenDim).toBe(other.hiddenDim);
      expect(Object.keys(model)).not.toContain("stemChannels");
    }
  });

  test("another backbone may be set over any preset: it comes at its usual size, with the preset's decoders", () => {
    const { model } = resolveSettings({ preset: "tiny", sets: ["model.backbone=swin", "model.window=8"] });
    expect(model).toMatchObject({ backbone: "swin", embedDim: 96, window: 8, hiddenDim: 64 });
    const back = resolveSettings({ preset: "swin-t", sets: ["model.backbone=resnet50", "model.norm=batch"] });
    expect(back.model).toEqual(PRESETS.r50.model);
    expect(() => resolveSettings({ preset: "swin-t", sets: ["model.norm=batch"] })).toThrow(
      `found "model.norm". It needs model.backbone resnet50.`,
    );
    expect(() => resolveSettings({ preset: "swin-t", sets: ["model.stageHeads=[3,6,12,25]"] })).toThrow(
      "expected model.stageHeads that divide the channels of their stages, 768 in stage 4, found 25",
    );
  });

  test("a family that Mask-JEPA does not pretrain is refused", () => {
    expect(() => resolveSettings({ preset: "tiny", sets: ["model.family=maskformer"] })).toThrow(
      'model.family=maskformer: expected one of "mask2former", found "maskformer"',
    );
  });

  test("smaller presets keep the paper's 8x8 patches", () => {
    for (const name of PRESET_NAMES) {
      const { cells, patch } = stepOptions(PRESETS[name]).mask;
      expect(cells / patch).toBe(8);
    }
  });

  test("an unknown preset gets a suggestion", () => {
    expect(() => resolveSettings({ preset: "r05" })).toThrow(`found "r05". Did you mean "r50"?`);
  });
});

describe("precedence", () => {
  test("preset < file < --set < flags", () => {
    const config = file("a.yaml", "preset: tiny\nrun: { batch: 16, seed: 1 }\noptim: { lr: 1e-3 }\n");
    const settings = resolveSettings({
      file: config,
      sets: ["run.batch=24", "run.seed=2"],
      flags: [flag("run.seed", "3")],
    });
    expect(settings.model).toEqual(PRESETS.tiny.model);
    expect([settings.optim.lr, settings.run.batch, settings.run.seed]).toEqual([1e-3, 24, 3]);
  });

  test("--preset beats the file's preset; paths become absolute", () => {
    const config = file("b.yaml", "preset: tiny\ndata: { images: [photos] }\n");
    const settings = resolveSettings({ preset: "r50", file: config });
    expect(settings.model.hiddenDim).toBe(256);
    expect(settings.data.images).toEqual([resolve("photos")]);
  });

  test("a higher layer's steps replace a lower layer's epochs, and back", () => {
    const config = file("c.yaml", "run: { epochs: 2 }");
    expect(resolveSettings({ file: config }).run).toMatchObject({ steps: null, epochs: 2 });
    expect(resolveSettings({ file: config, sets: ["run.steps=7"] }).run).toMatchObject({ steps: 7, epochs: null });
    expect(() => resolveSettings({ sets: ["run.steps=7", "run.epochs=1"] })).toThrow(
      "--set run.epochs=1: expected either run.steps or run.epochs",
    );
  });
});

test("a batch that is set alone brings micro-batches that divide it, and says so", () => {
  const said = (sets: string[], resolve: typeof resolveFinetuning | typeof resolveSettings = resolveFinetuning) => {
    const reporter = recordedReporter();
    const { batch, microBatch } = resolve({ sets }, reporter).run;
    return [batch, microBatch, ...reporter.lines];
  };
  const note = "run.microBatch is 2, which divides --set run.batch=2; 4 does not.";
  expect(said(["run.batch=2"])).toEqual([2, 2, note]);
  expect(said(["run.batch=9"]).slice(0, 2)).toEqual([9, 3]);
  expect(said(["run.batch=7"]).slice(0, 2)).toEqual([7, 1]);
  expect(said(["run.batch=16"])).toEqual([16, 4]);
  expect(said(["run.batch=8"], resolveSettings)).toEqual([8, 1]);
  expect(() => said(["run.batch=2", "run.microBatch=4"])).toThrow("--set run.microBatch=4: expected");
  expect(() => said(["run.batch=0"])).toThrow("--set run.batch=0: expected a whole number");
});

test.each([
  [
    "model.heads=5",
    "--set model.heads=5: expected a model.heads that divides model.hiddenDim = 256, found 5. These divide it: " +
      "1, 2, 4,",
  ],
  ["model.normGroups=24", "divides model.hiddenDim = 256"],
  [
    "model={norm: group, stemChannels: 48}",
    "divides the channels of every convolution, 48, 64, 128, 256, 512, found 32",
  ],
  ["model.backbone=resnet500", `one of "resnet50", "swin", found "resnet500". Did you mean "resnet50"?`],
  ["model.window=7", `found "model.window". It needs model.backbone swin.`],
  ["model.stageBlocks=[3,4,6]", "4 numbers, each a whole number from 1 to 100, found [3,4,6]"],
  [
    "pretrain.maskPatch=5",
    "divides the 32x32 grid of features (data.size 256 / pretrain.featureStride 8), found 5. These divide it: " +
      "1, 2, 4, 8, 16, 32.",
  ],
  ["pretrain.maskPatch=32", "at least one masked and one visible patch"],
  ["pretrain.maskRatio=0.001", "0 of 64 masked"],
  ["pretrain.maskRatio=1", "between 0 and 1, both excluded, found 1"],
  ["pretrain.featureStride=4", "8, 16 or 32, found 4"],
  ["pretrain={reconstruction: false, denoising: false}", "at least one part of the loss"],
  ["pretrain.emaEnd=0.5", "emaStart <= pretrain.emaEnd"],
  ["backbone.frozen=true", "expected backbone.weights"],
  ["backbone={frozen: true, weights: w.safetensors}", `expected model.norm "frozen", because the backbone is frozen`],
  ["data.size=300", "a multiple of 32 from 32 to 2,048, found 300"],
  ["data.cropScale=[0.9,0.5]", "0 < low <= high <= 1, found [0.9,0.5]"],
  ["optim.milestones=[0.9,0.5]", "rising optim.milestones"],
  ["optim.lr=0", "a number above 0, found 0"],
  ["run.microBatch=3", "divides run.batch = 8, found 3. These divide it: 1, 2, 4, 8."],
  ["run.steps=null", "either run.steps or run.epochs"],
  ["run.recompute=[decoder-layer]", `found ["decoder-layer"]. Did you mean "decoder-layers"?`],
  ["run.device=cude", "For a GPU of any maker write webgpu; cuda is an NVIDIA GPU with CUDA installed."],
])("--set %s is refused", (argument, message) => {
  expect(() => resolveSettings({ preset: "r50", sets: [argument] })).toThrow(message);
});

describe("a stored run", () => {
  const settings = resolveSettings({ preset: "tiny", sets: ["run.seed=9007199254740991", "data.images=[/a]"] });
  const stored = file("config.yaml", toYaml(settings));

  test("is read back equal", () => {
    expect(loadSettings(stored)).toEqual(settings);
  });

  test("is refused when incomplete or changed by hand to nonsense", () => {
    const text = toYaml(settings);
    expect(() => loadSettings(file("d.yaml", text.replace(/ {2}lr: .*\n/, "")))).toThrow(
      /d\.yaml: optim\.lr: expected a number above 0, found nothing/,
    );
    expect(() => loadSettings(file("e.yaml", text.replace("sigma:", "sgima:")))).toThrow(
      `Did you mean "pretrain.sigma"?`,
    );
    expect(() => loadSettings(file("f.yaml", "model: {}"))).toThrow("expected a mapping with the keys");
  });

  test("goes on with other cores or periods, but with no other number", () => {
    const resumed: PretrainSettings = resumeSettings(stored, { flags: [flag("run.cores", "1")] });
    expect(resumed).toEqual({ ...settings, run: { ...settings.run, cores: 1 } });
    expect(() => resumeSettings(stored, { sets: ["optim.lr=1", "run.keep=9", "data.flip=false"] })).toThrow(
      "found changes of data.flip, optim.lr.",
    );
    expect(() => resumeSettings(stored, { flags: [flag("run.batch", "2")] })).toThrow(
      "only these may change: run.steps, run.epochs, run.cores, run.checkpointEvery, run.logEvery, run.keep",
    );
  });

  test("goes on with a probe or without, but not with another one", () => {
    const probed = file("probed.yaml", toYaml({ ...settings, probe: { ...settings.probe, data: "/camvid.yaml" } }));
    const resumed = (from: string, ...sets: string[]) => resumeSettings(from, { sets }).probe;
    expect(resumed(stored, "probe.data=/camvid.yaml").data).toBe("/camvid.yaml");
    expect(resumed(probed, "probe.data=null").data).toBeNull();
    expect(resumed(probed, "probe.every=7")).toMatchObject({ data: "/camvid.yaml", every: 7 });
    expect(() => resumed(probed, "probe.data=/scenes.yaml")).toThrow(
      "expected probe.data /camvid.yaml, with which the run has chosen its best checkpoint so far, found /scenes.yaml",
    );
    expect(() => resumed(probed, "probe.images=9")).toThrow("expected probe.images");
  });

  test("goes on with another length in steps or in epochs, whichever it had", () => {
    expect(resumeSettings(stored, { flags: [flag("run.steps", "700")] }).run.steps).toBe(700);
    const { steps, epochs } = resumeSettings(stored, { flags: [flag("run.epochs", "3")] }).run;
    expect({ steps, epochs }).toEqual({ steps: null, epochs: 3 });
  });
});

test("the recipes resolve", () => {
  const recipes = readdirSync("recipes").filter((name) => name.startsWith("pretrain-"));
  expect(recipes.length).toBeGreaterThan(0);
  for (const recipe of recipes) {
    expect(resolveSettings({ file: join("recipes", recipe) }).model.backbone).toBe("resnet50");
  }
});
