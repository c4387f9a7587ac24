import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { runFinetuning } from "../../src/finetune/run.js";
import { loadSettings, resolveSettings, toYaml } from "../../src/finetune/settings-resolution.js";
import { loadTrainedModel } from "../../src/predict/trained-model.js";
import { runPretraining } from "../../src/pretrain/run.js";
import { readMetrics } from "../../src/run/metrics-log.js";
import { dataFolder } from "../support/data-folders.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { SMALLEST_MODEL, SMALLEST_TRAINING, writeScenes } from "../support/tiny-finetuning.js";
import { smallestSettings } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-finetune-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "scenes");
const pretrained = join(folder, "pretrained");

beforeAll(async () => {
  await writeScenes(data, 10);
  const sets = [`data.images=[${JSON.stringify(join(data, "images"))}]`, "run.steps=1", "model.decoderLayers=2"];
  await runPretraining({ settings: smallestSettings(...sets), out: pretrained, start: "new" });
});

function settingsOf(flags: Record<string, unknown>, ...sets: string[]) {
  const assignments = Object.entries({ "data.path": data, ...flags }).map(([name, value]) => ({
    path: name.split("."),
    value,
    where: `--${name}`,
  }));
  return resolveSettings({ sets: [...SMALLEST_TRAINING, "run.steps=1", ...sets], flags: assignments });
}

/** Starting values: the weights before the only step moved them by at most the learning rate. */
async function startOf(run: string): Promise<Map<string, TensorData>> {
  return (await loadCheckpoint(run, { parts: ["model"] })).tensors.model;
}

const largestDifference = (a: TensorData, b: TensorData) =>
  (a.data as Float32Array).reduce((most, value, i) => Math.max(most, Math.abs(value - Number(b.data[i]))), 0);

describe("weights from a pretraining run", () => {
  const backbone = "backbone.res2.0.conv1.weight";
  const pixelDecoder = "sem_seg_head.pixel_decoder.mask_features.weight";
  const decoder = "sem_seg_head.predictor.transformer_ffn_layers.0.linear1.weight";

  test("all parts go over, the log names what was loaded, what starts fresh and what stays behind", async () => {
    const out = join(folder, "from-all");
    const reporter = recordedReporter();
    const settings = settingsOf({ "from.run": pretrained }, "optim.lr=1e-6");
    await runFinetuning({ settings, out, start: "new", reporter });
    const [before, after] = [await startOf(pretrained), await startOf(out)];
    for (const name of [backbone, pixelDecoder, decoder]) {
      expect(largestDifference(after.get(name)!, before.get(name)!)).toBeLessThan(1e-5);
    }
    const log = reporter.lines.join("\n");
    expect(log).toMatch(
      /Loaded \d+ weights from step 1 of .*pretrained: backbone \(\d+\), pixel-decoder \(\d+\), transformer-decoder/,
    );
    for (const fresh of ["query_feat (1)", "query_embed (1)", "class_embed (2)", "mask_embed (6)"]) {
      expect(log).toContain(`sem_seg_head.predictor.${fresh}`);
    }
    expect(log).toMatch(/Left behind, \d+ weights:\n {2}mask_jepa\./);
    expect([...after.keys()].some((name) => name.startsWith("mask_jepa"))).toBe(false);
  });

  test("--from-parts leaves the others fresh", async () => {
    const out = join(folder, "from-parts");
    const flags = { "from.run": pretrained, "from.parts": ["backbone", "pixel-decoder"] };
    await runFinetuning({ settings: settingsOf(flags, "optim.lr=1e-6"), out, start: "new" });
    const [before, after] = [await startOf(pretrained), await startOf(out)];
    expect(largestDifference(after.get(pixelDecoder)!, before.get(pixelDecoder)!)).toBeLessThan(1e-5);
    expect(largestDifference(after.get(decoder)!, before.get(decoder)!)).toBeGreaterThan(1e-3);
  });

  test("a damaged newest checkpoint is passed over, and the step that was taken is told, stored and taken again", async () => {
    const twice = join(folder, "pretrained-twice");
    const sets = [`data.images=[${JSON.stringify(join(data, "images"))}]`, "run.steps=2", "run.checkpointEvery=1"];
    const longer = smallestSettings(...sets, "model.decoderLayers=2");
    await runPretraining({ settings: longer, out: twice, start: "new" });
    truncateSync(join(twice, "checkpoints", "step-00000002", "model.safetensors"), 1000);
    const out = join(folder, "from-damaged");
    const reporter = recordedReporter();
    await runFinetuning({ settings: settingsOf({ "from.run": twice }), out, start: "new", reporter });
    const log = reporter.lines.join("\n");
    expect(log).toMatch(/Warning: Checkpoint skipped: .*step-00000002/);
    expect(log).toMatch(/Loaded \d+ weights from step 1 of .*pretrained-twice/);
    const stored = loadSettings(join(out, "config.yaml"));
    expect(stored.from).toMatchObject({ run: twice, step: 1 });

    const named = settingsOf({ "from.run": twice, "from.step": 2 });
    const refused = runFinetuning({ settings: named, out: join(folder, "from-named"), start: "new" });
    await expect(refused).rejects.toThrow(/expected at least one whole checkpoint, found 1, all damaged/);
    rmSync(join(out, "checkpoints"), { recursive: true }); // as if it was killed before its first
    const again = recordedReporter();
    await runFinetuning({ settings: stored, out, start: "resume", reporter: again });
    expect(again.lines.join("\n")).toMatch(/Loaded \d+ weights from step 1 of /);
    expect(again.lines.join("\n")).not.toContain("skipped");
  });

  test("another --from does not keep the step of a stored configuration", () => {
    const config = join(folder, "config.yaml");
    writeFileSync(config, `from: { run: ${JSON.stringify(join(folder, "elsewhere"))}, step: 7 }\n`);
    const settings = resolveSettings({
      file: config,
      flags: [{ path: ["from", "run"], value: pretrained, where: "" }],
    });
    expect(settings.from).toMatchObject({ run: pretrained, step: null });
    expect(() => resolveSettings({ sets: ["from.step=3"] })).toThrow(/expected from\.run, the run whose checkpoint/);
  });

  test("the model is that of the run, whatever the preset for the data", () => {
    expect(settingsOf({ "from.run": pretrained }).model).toMatchObject({ hiddenDim: 32, decoderLayers: 2 });
    expect(settingsOf({}).model.hiddenDim).toBe(64);
  });

  test("and so are the queries of a fine-tuned one, unless they are another family's or said", () => {
    const run = join(folder, "seven-queries");
    mkdirSync(run);
    writeFileSync(join(run, "config.yaml"), toYaml(resolveSettings({ sets: ["decoder.queries=7"] })));
    const from = [{ path: ["from", "run"], value: run, where: "--from" }];
    expect(resolveSettings({ flags: from }).decoder.queries).toBe(7);
    expect(resolveSettings({ flags: from, sets: ["decoder.queries=9"] }).decoder.queries).toBe(9);
    const other = resolveSettings({ flags: from, sets: ["model.family=maskformer"] });
    expect(other.decoder.queries).toBe(resolveSettings().decoder.queries);
  });

  test("a published recipe keeps its model, and takes the learning rate for pretrained weights", async () => {
    const published = (from: string | null) =>
      resolveSettings({
        preset: "mask2former-r50-ade20k-panoptic",
        flags: [{ path: ["from", "run"], value: from, where: "--from" }],
      });
    expect(published(null).optim.lr).toBe(1e-4);
    expect(published(pretrained)).toMatchObject({ optim: { lr: 2e-4 }, model: { hiddenDim: 256 } });
  });

  test("a dry run prints settings, parameters, memory and time of what would run, and leaves nothing", async () => {
    const out = join(folder, "dry");
    const reporter = recordedReporter();
    await runFinetuning({ settings: settingsOf({}, "run.cores=1"), out, start: "new", dryRun: true, reporter });
    const text = reporter.lines.join("\n");
    expect(text).toContain("hiddenDim: 64");
    expect(text).toMatch(/ {2}transformer decoder +[\d,]+ +[\d,]+ +0/);
    expect(text).toMatch(/Memory of a step, estimated[\s\S]+ {2}total +\d+\.\d MiB/);
    expect(text).toMatch(/Time of a step, estimated[\s\S]+the whole run, \d+ steps? /);
    expect(existsSync(out)).toBe(false);
  });

  test("weights of another model are refused, with the names", async () => {
    const settings = settingsOf({ "from.run": pretrained }, "model.decoderLayers=3");
    const out = join(folder, "misfit");
    const run = runFinetuning({ settings, out, start: "new" });
    await expect(run).rejects.toThrow(
      /18 missing:\s+sem_seg_head\.predictor\.transformer_cross_attention_layers\.2\.[\s\S]* Take the model that/,
    );
    expect(existsSync(out)).toBe(false);
  });
});

describe("a run", () => {
  test("trains on a share of the labels, the same one for a seed, and is a model for prediction", async () => {
    const out = join(folder, "share");
    const settings = settingsOf({ "data.labels": "50%", "data.task": "panoptic" }, ...SMALLEST_MODEL);
    const reporter = recordedReporter();
    const outcome = await runFinetuning({ settings, out, start: "new", reporter });
    expect(outcome).toEqual({ step: 1, steps: 1, interrupted: false });
    expect(reporter.lines[0]).toMatch(/^Training on 4 of the 8 labelled images of sample-scenes train, panoptic$/);
    const model = await loadTrainedModel(out);
    expect(model).toMatchObject({
      architecture: { family: "mask2former" },
      task: "panoptic",
      inference: { shortEdge: 64 },
    });
    expect(model.classes).toHaveLength(24);
    const [record] = readMetrics(join(out, "metrics.jsonl"));
    expect(record).toMatchObject({ step: 1, "val-pq": expect.any(Number), loss_ce: expect.any(Number) });
  });

  test("resumes with the same images and classes only", async () => {
    const out = join(folder, "share");
    const settings = settingsOf({ "data.labels": "40%", "data.task": "panoptic" }, ...SMALLEST_MODEL);
    await expect(runFinetuning({ settings, out, start: "resume" })).rejects.toThrow(
      /the 4 images and classes that the run began with/,
    );
  });

  test("skips an image whose label is damaged, lists it, and quotes scores over the images that were scored", async () => {
    const broken = join(folder, "broken");
    await writeScenes(broken, 10);
    for (const name of ["train/000001.png", "val/000009.png"]) {
      const label = join(broken, "panoptic", name);
      writeFileSync(label, readFileSync(label).subarray(0, 60));
    }
    const out = join(folder, "broken-run");
    const settings = settingsOf({ "data.path": broken, "data.task": "panoptic" }, ...SMALLEST_MODEL, "run.steps=2");
    const reporter = recordedReporter();
    await runFinetuning({ settings, out, start: "new", reporter });
    expect(reporter.lines.join("\n")).toMatch(/step 2: PQ \S+ on 1 validation image, 1 could not be used/);
    const skipped = readMetrics(join(out, "skipped.jsonl"));
    expect(skipped).toHaveLength(1);
    expect(`${skipped[0].file} ${skipped[0].reason}`).toContain("000001");
  });

  test("goes on where most of the images that it would be scored on cannot be used, and says that it was not", async () => {
    const broken = join(folder, "unscored");
    await writeScenes(broken, 15);
    for (const name of ["val/000004.png", "val/000009.png"]) {
      const label = join(broken, "panoptic", name);
      writeFileSync(label, readFileSync(label).subarray(0, 60));
    }
    const settings = settingsOf({ "data.path": broken, "data.task": "panoptic" }, ...SMALLEST_MODEL);
    const reporter = recordedReporter();
    const outcome = await runFinetuning({ settings, out: join(folder, "unscored-run"), start: "new", reporter });
    expect(outcome).toEqual({ step: 1, steps: 1, interrupted: false });
    expect(reporter.lines.join("\n")).toMatch(/step 1: not scored\. evaluation: .* found 1 of 3 usable; .*000004\.png/);
  });

  /** Images of 64x64 whose label maps hold 255, behind `first` columns of 0. */
  async function maps(name: string, first: number) {
    const set = dataFolder(join(folder, name));
    const row = Array.from({ length: 64 }, (_, x) => (x < first ? 0 : 255));
    for (const i of [0, 1, 2]) {
      await set.photo(`photos/${i}.png`, 64, 64, { red: i });
      set.labels(`maps/${i}.png`, Array(64).fill(row));
    }
    const split = { images: "photos", semantic: "maps" };
    set.yaml("data.yaml", { classes: ["bg", "road"], ignore: 255, train: split, val: { ...split } });
    return set.root;
  }

  test("is refused where every pixel is ignored, and leaves nothing", async () => {
    const out = join(folder, "void-run");
    const settings = settingsOf({ "data.path": await maps("void", 0), "data.task": "semantic" }, ...SMALLEST_MODEL);
    await expect(runFinetuning({ settings, out, start: "new" })).rejects.toThrow(
      /the semantic labels: expected a pixel of a class, found only pixels of ignored values in 3 images/,
    );
    expect(existsSync(out)).toBe(false);
  });

  test("warns of masks of 0 and 255 whose 255 is ignored", async () => {
    const out = join(folder, "binary-run");
    const settings = settingsOf({ "data.path": await maps("binary", 20), "data.task": "semantic" }, ...SMALLEST_MODEL);
    const reporter = recordedReporter();
    await runFinetuning({ settings, out, start: "new", reporter });
    expect(reporter.lines.join("\n")).toMatch(
      /Warning: In 3 label maps .*"bg" .* write id_map: \{ 0: 0, 255: 1 \} in /,
    );
    expect(reporter.lines.join("\n")).toMatch(/step 1: mIoU \S+ on 3 validation images/);
  });
});
