import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import type { Form } from "../../src/export/forms.js";
import { familyOf } from "../../src/families/families.js";
import { describeModel } from "../../src/finetune/composition.js";
import { loadSettings, resolveSettings } from "../../src/finetune/settings-resolution.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import { loadTrainedModel, saveTrainedModel } from "../../src/predict/trained-model.js";
import type { ModelDescription } from "../../src/weights/model-description.js";
import { bitsOf } from "../support/bits.js";
import { writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { SMALLEST_MODEL, SMALLEST_TRAINING, writeScenes } from "../support/tiny-finetuning.js";
import { tinyWeights } from "../support/tiny-model.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-published-"));
const at = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The smallest model that transformers can express: norms in 32 groups. */
const MODEL = [...SMALLEST_MODEL.filter((set) => !set.includes("normGroups")), "model.normGroups=32"];
const settings = resolveSettings({ preset: "small", sets: [...MODEL, "decoder.queries=8"] });
const names = ["person", "car", "sky", "road"];
const described = describeModel(settings, {
  task: "panoptic",
  classes: names.map((name, i) => ({ id: i, name, isThing: i < 2, color: [i, 2 * i, 3 * i] as const })),
});
const weights: ReadonlyMap<string, TensorData> = tinyWeights(1, described.architecture);

const run = at("run");
/** As other programs write it: without what this one says in the header. */
const hub = at("tiny-panoptic");
beforeAll(async () => {
  await saveTrainedModel(run, { ...described, weights }, 5);
  await exportModel({ checkpoint: run, to: "huggingface", form: "torch", out: hub });
  await writeImages(at("photos"), 2);
  await writeScenes(at("scenes"), 5);
});

const sets = (all: readonly string[]) => all.flatMap((set) => ["--set", set]);
const own = new Set(weights.keys());
const ownBits = (found: ReadonlyMap<string, TensorData>) =>
  bitsOf(new Map([...found].filter(([name]) => own.has(name))));

describe("a whole model is read with all its weights", () => {
  /** What recomputing saves in training is no part of a model. */
  const built = ({ architecture }: Pick<ModelDescription, "architecture">) =>
    familyOf(architecture).forInference(architecture);

  test.each<[string, Parameters<typeof exportModel>[0]["to"], Form]>([
    ["model.safetensors", "canonical", "safetensors"],
    ["folder", "huggingface", "safetensors"],
  ])("and described as it was, from %s for %s", async (name, to, form) => {
    const out = at(`own-${name}`);
    await exportModel({ checkpoint: run, to, form, out });
    const model = await loadTrainedModel(out);
    expect(ownBits(model.weights)).toEqual(bitsOf(weights));
    const { architecture, ...rest } = described;
    expect(model).toMatchObject(rest);
    expect(built(model)).toEqual(built({ architecture }));
    expect(model.step).toBeUndefined();
  });

  test("of a folder for Hugging Face, with what its configuration says and what is assumed, each told", async () => {
    const reporter = recordedReporter();
    const model = await loadTrainedModel(hub, { reporter });
    expect(ownBits(model.weights)).toEqual(bitsOf(weights));
    expect(built(model)).toEqual(built(described));
    expect(model.classes.map(({ name }) => name)).toEqual(names);
    expect(model).toMatchObject({
      task: "panoptic",
      inference: { shortEdge: 256, longEdge: 1024, objectThreshold: 0.8 },
      criterion: described.criterion,
    });
    const text = reporter.lines.join("\n");
    expect(text).toContain("Hugging Face Mask2FormerForUniversalSegmentation, PyTorch");
    expect(text).toMatch(/by its tensors: a ResNet of 1, 1, 1, 1 blocks, Mask2Former, 8 queries/);
    expect(text).toMatch(/by config\.json: 4 heads, names of classes \(person, car, sky and 1 more\)/);
    expect(text).toMatch(/by preprocessor_config\.json: shorter side 256, longer side at most 1024/);
    expect(text).toMatch(/by the name of its place: task panoptic/);
    expect(text).toMatch(/by Mask2Former's defaults: .*threshold of queries 0\.8, of overlap 0\.8, instances 100/);
    expect(text).toMatch(/by nobody: which classes are stuff/);
  });

  test.each([".pth", ".pkl"])("of a %s file alone, by its tensors and defaults", async (suffix) => {
    const out = at(`alone${suffix}`);
    await exportModel({ checkpoint: run, to: "detectron2", out });
    const model = await loadTrainedModel(out);
    expect(ownBits(model.weights)).toEqual(bitsOf(weights));
    expect(model.classes.map(({ name }) => name)).toEqual(["class 0", "class 1", "class 2", "class 3"]);
    expect(model.architecture.transformerDecoder).toMatchObject({ queries: 8, layers: 2, heads: 8 });
  });

  test("by the class lists that are well known, whatever their names' small differences", async () => {
    const copy = at("cityscapes-semantic");
    mkdirSync(copy);
    const cityscapes = resolveSettings({ preset: "small", sets: [...MODEL, "decoder.queries=4"] });
    const list =
      "road,sidewalk,building,wall,fence,pole,traffic light,traffic_sign,vegetation,terrain,sky,person,rider,car,truck,bus,train,motorcycle,bicycle";
    const classes = list.split(",").map((name, id) => ({ id, name, isThing: false, color: [0, 0, 0] as const }));
    const model = describeModel(cityscapes, { task: "semantic", classes });
    const zero = [...inferenceWeights(model.architecture)].map(([name, shape]) => {
      return [name, { dtype: "float32", shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)) }] as const;
    });
    await saveTrainedModel(at("cityscapes-run"), { ...model, weights: new Map(zero) }, 1);
    await exportModel({ checkpoint: at("cityscapes-run"), to: "huggingface", form: "torch", out: copy });
    const read = await loadTrainedModel(copy);
    expect(read.task).toBe("semantic");
    expect(read.classes[13]).toMatchObject({ name: "car", id: 26, isThing: true });
    expect(read.classes[7]).toMatchObject({ name: "traffic_sign", id: 20, isThing: false });
  });
});

describe("what does not fit is refused in one line", () => {
  test("a backbone, which predicts nothing", async () => {
    await exportModel({ checkpoint: run, to: "timm", out: at("backbone.safetensors") });
    const { code, err } = await runMain(
      "predict",
      at("photos"),
      "--checkpoint",
      at("backbone.safetensors"),
      "--out",
      at("out"),
    );
    expect(code).toBe(1);
    expect(err).toMatch(
      /backbone\.safetensors: expected a fine-tuned model, found torchvision or timm ResNet, which predicts/,
    );
  });

  test("classes that the configuration does not number", async () => {
    const copy = at("renamed");
    await exportModel({ checkpoint: run, to: "huggingface", form: "torch", out: copy });
    const config = JSON.parse(readFileSync(join(copy, "config.json"), "utf8"));
    writeFileSync(join(copy, "config.json"), JSON.stringify({ ...config, id2label: { 0: "a", 1: "b" } }));
    await expect(loadTrainedModel(copy)).rejects.toThrow(/names of 4 classes, as many as its tensors have, found 2/);
    writeFileSync(join(copy, "config.json"), "{");
    await expect(loadTrainedModel(copy)).rejects.toThrow(/config\.json: expected valid JSON/);
    writeFileSync(join(copy, "config.json"), JSON.stringify({ ...config, pre_norm: true }));
    await expect(loadTrainedModel(copy)).rejects.toThrow(/expected pre_norm false, found pre_norm true/);
  });

  test("a folder without weights", async () => {
    await expect(loadTrainedModel(at("photos"))).rejects.toThrow(/expected a run, a file of weights, or a folder with/);
  });
});

describe("every command takes them", () => {
  const semantic = (out: string) => {
    const files = readdirSync(at(out, "semantic"), { recursive: true, encoding: "utf8" });
    const pictures = files.filter((name) => name.includes("labels") && name.endsWith(".png")).sort();
    return pictures.map((name) => readFileSync(at(out, "semantic", name)).toString("base64"));
  };

  test("predict gives what the run gives", async () => {
    for (const [checkpoint, out] of [
      [run, "by-run"],
      [hub, "by-folder"],
    ] as const) {
      const args = ["--checkpoint", checkpoint, "--out", at(out), "--task", "semantic", "--cores", "1"];
      const { code, err } = await runMain("predict", at("photos"), ...args);
      expect(code, err).toBe(0);
    }
    expect(semantic("by-folder")).toEqual(semantic("by-run"));
    expect(semantic("by-run")).toHaveLength(2);
  });

  test("visualize draws them", async () => {
    const args = ["--checkpoint", hub, "--out", at("drawn"), "--count", "1", "--cores", "1"];
    const { code, err } = await runMain("visualize", at("photos"), ...args);
    expect(code, err).toBe(0);
    expect(readFileSync(at("drawn", "index.html"), "utf8")).toContain("A fine-tuned model: panoptic segmentation");
  });

  test("finetune takes the model over, with other classes a fresh class head alone", async () => {
    const out = at("tuned");
    const data = ["--data", at("scenes"), "--task", "semantic", "--cores", "1"];
    const training = SMALLEST_TRAINING.filter((set) => !set.startsWith("decoder."));
    const printed = await runMain(
      "finetune",
      "--from",
      hub,
      "--out",
      out,
      ...data,
      ...sets([...training, "optim.lr=1e-12", "run.steps=1", "data.valSplit=null"]),
    );
    expect(printed.code, printed.err).toBe(0);
    expect(printed.out).toMatch(
      /Loaded \d+ weights from .*tiny-panoptic: backbone \(\d+\), pixel-decoder \(\d+\), transf/,
    );
    expect(printed.out).toMatch(/Fresh, 2 weights:\n {2}sem_seg_head\.predictor\.class_embed \(2\)/);
    expect(printed.out).toMatch(/Left behind, \d weights:\n {2}sem_seg_head\.predictor\.class_embed \(2\)/);
    expect(loadSettings(join(out, "config.yaml"))).toMatchObject({
      model: { hiddenDim: 32, heads: 4 },
      decoder: { queries: 8 },
    });
    const { tensors } = await loadCheckpoint(out, { parts: ["model"] });
    const query = "sem_seg_head.predictor.query_feat.weight";
    expect(tensors.model.get(query)!.data[3]).toBeCloseTo(weights.get(query)!.data[3] as number, 6);
  });

  test("evaluate scores what was fine-tuned alike, as a run and as a folder for Hugging Face", async () => {
    const exported = at("exported");
    await exportModel({ checkpoint: at("tuned"), to: "huggingface", out: exported });
    const scores = [];
    for (const [checkpoint, out] of [
      [at("tuned"), "a"],
      [exported, "b"],
    ] as const) {
      const { code, err } = await runMain(
        "evaluate",
        "--data",
        at("scenes"),
        "--checkpoint",
        checkpoint,
        "--out",
        at(out),
        "--cores",
        "1",
      );
      expect(code, err).toBe(0);
      scores.push(JSON.parse(readFileSync(at(out, "evaluation.json"), "utf8")).models[0].scores);
    }
    expect(scores[1]).toEqual(scores[0]);
  });

  test("pretrain begins with the encoder of a whole model, or with the backbone of a run", async () => {
    const tiny = [...SMALLEST.filter((set) => !set.startsWith("model.")), "run.steps=1", "optim.lr=1e-12"];
    const base = ["--images", at("photos"), "--preset", "tiny", "--cores", "1"];
    const whole = await runMain("pretrain", ...base, "--from", hub, "--out", at("pretrained"), ...sets(tiny));
    expect(whole.code, whole.err).toBe(0);
    expect(whole.out).toMatch(
      /Loaded \d+ weights from .*backbone \(\d+\), pixel-decoder \(\d+\), transformer-decoder \(\d+\)/,
    );
    expect(whole.out).toMatch(/Fresh, \d+ weights:\n {2}mask_jepa/);
    const backbone = await runMain(
      "pretrain",
      ...base,
      "--backbone",
      run,
      "--out",
      at("from-run"),
      ...sets([...tiny, ...MODEL]),
    );
    expect(backbone.code, backbone.err).toBe(0);
    expect(backbone.out).toMatch(/Loaded \d+ weights from step 5 of .*run: backbone \(\d+\)\n/);
  });

  test("convert and export are one: a run becomes a file, a file another, and back", async () => {
    const first = await runMain("convert", run, at("a.pth"), "--to", "detectron2");
    expect(first.code, first.err).toBe(0);
    renameSync(at("a.pth"), at("b.pth"));
    expect(
      (await runMain("export", "--checkpoint", at("b.pth"), "--to", "canonical", "--out", at("c.safetensors"))).code,
    ).toBe(0);
    const { weights: found } = await loadTrainedModel(at("c.safetensors"));
    expect(ownBits(found)).toEqual(bitsOf(weights));
  });
});
