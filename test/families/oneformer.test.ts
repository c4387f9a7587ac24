import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TensorData } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import { type OneFormerOptions, oneFormer } from "../../src/families/oneformer.js";
import { architectureOf, describeModel, finetunerOptions } from "../../src/finetune/composition.js";
import { Finetuner } from "../../src/finetune/finetuner.js";
import { PRESETS } from "../../src/finetune/presets.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { weightsFrom } from "../../src/finetune/starting-weights.js";
import type { Target, Task } from "../../src/masks/segmentation.js";
import type { Declaration } from "../../src/nn/scope.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import { Predictor } from "../../src/predict/predictor.js";
import { loadTrainedModel, saveTrainedModel } from "../../src/predict/trained-model.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { describeStart, freshWeights } from "../../src/weights/starting-weights.js";
import { bitsOf } from "../support/bits.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { createFinetuner, numberedClasses, randomBatch, smallestOf, squares } from "../support/tiny-finetuning.js";
import { tinyWeights } from "../support/tiny-model.js";

const PARTS = ["backbone", "pixel-decoder", "transformer-decoder"] as const;
const CLASSES = ["person", "car", "sky", "road"].map((name, i) => ({
  id: i,
  name,
  isThing: i < 2,
  color: [i, 2, 3] as const,
}));
const described = (...sets: string[]) =>
  describeModel(smallestOf("oneformer", ...sets), { task: "panoptic", classes: CLASSES });

describe("presets", () => {
  const total = (shapes: Iterable<readonly number[]>) =>
    [...shapes].reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);

  test.each([
    ["oneformer-r50-ade20k", 150, 47_285_015, 64_827_928],
    ["oneformer-r50-coco", 133, 47_280_646, 64_823_559],
    ["oneformer-swin-t-ade20k", 150, 50_736_401, 68_279_314],
  ])("%s has as many weights as the official model, for predictions and in training", (preset, classes, own, all) => {
    const model = architectureOf(PRESETS[preset], classes);
    const { declarations } = buildTraining(model, 2, [64, 64]).weights;
    const trained = [...declarations.values()].filter(({ kind }) => kind === "parameter");
    expect(total(trained.map(({ shape }) => shape))).toBe(all);
    const needed = inferenceWeights(model);
    expect(total(trained.filter(({ name }) => needed.has(name)).map(({ shape }) => shape))).toBe(own);
  });

  test("have the numbers of the authors' configurations", () => {
    const of = (name: string) => PRESETS[`oneformer-${name}`];
    expect(of("r50-ade20k")).toMatchObject({
      decoder: { queries: 150 },
      data: { crop: [512, 512], longEdge: 2048, keepEmpty: false, task: "panoptic" },
      inference: { shortEdge: 512, objectThreshold: 0.5, overlapThreshold: 0.8, topK: 150 },
      criterion: { classWeight: 2, maskWeight: 5, diceWeight: 5, noObject: 0.1 },
      optim: { lr: 1e-4, weightDecay: 0.05, clip: null },
      model: { classLayers: 2, dropout: 0.1, promptContext: 16, contrastiveWeight: 0.5, temperature: 0.07 },
      run: { batch: 16, steps: 160_000 },
    });
    expect(of("r50-cityscapes")).toMatchObject({ model: { norm: "batch" }, inference: { objectThreshold: 0.8 } });
    expect(of("swin-t-coco").data).toMatchObject({ view: "large-scale-jitter", crop: [1024, 1024] });
  });

  test.each([
    [["run.microBatch=1"], "a run.microBatch of 2 or more, whose images and texts are contrasted"],
    [["model.promptContext=8"], "fewer rows than decoder.queries = 8"],
    [["model.textWidth=100", "model.hiddenDim=64"], ""],
    [["model.textWidth=200"], "a model.textWidth that its 3 heads"],
  ])("%j", (sets, message) => {
    const resolve = () => smallestOf("oneformer", ...sets);
    if (message === "") expect(resolve).not.toThrow();
    else expect(resolve).toThrow(message);
  });

  test("without texts a batch of one image is as good as any", () => {
    const settings = smallestOf("oneformer", "run.microBatch=1", "model.contrastiveWeight=0");
    const { declarations } = buildTraining(architectureOf(settings, 3), 1, [64, 64]).weights;
    expect([...declarations.keys()].filter((name) => /text|prompt|logit_scale/.test(name))).toEqual([]);
  });

  test("for data of some kind take the family's numbers with its name", () => {
    const { model } = resolveSettings({ preset: "scenes", sets: ["model.family=oneformer"] });
    expect(model).toMatchObject({ family: "oneformer", hiddenDim: 64, classLayers: 2, promptContext: 16, dropout: 0 });
  });
});

describe("weights", () => {
  const model = described("model.hiddenDim=64", "model.normGroups=32");
  const { declarations } = buildTraining(model.architecture, 2, [64, 64]).weights;
  const { weights } = freshWeights(declarations, 1);
  const needed = inferenceWeights(model.architecture);
  const own = new Map([...weights].filter(([name]) => needed.has(name)));

  test.each([
    ["huggingface", "folder", own],
    ["detectron2", "model.pkl", weights],
    ["detectron2", "model.pth", weights],
    ["canonical", "model.safetensors", weights],
  ] as const)("are what they were after an export to %s, %s", async (to, name, expected) => {
    const directory = temporaryDirectory();
    const [run, out] = [join(directory, "run"), join(directory, name)];
    await saveTrainedModel(run, { ...model, weights }, 5);
    await exportModel({ checkpoint: run, to, out });
    const read = await loadTrainedModel(out);
    const kept = new Map([...read.weights].filter(([name]) => expected.has(name)));
    expect(bitsOf(kept)).toEqual(bitsOf(expected));
    expect(read.architecture).toMatchObject({ family: "oneformer", classTransformer: { layers: 1 } });
    expect(read.architecture.transformerDecoder).toMatchObject({ queries: 8, layers: 2, feedForwardDim: 32 });
    const start = await weightsFrom(
      { location: out, parts: PARTS, family: "oneformer", classRule: "same", seed: 0, reporter: recordedReporter() },
      declarations,
    );
    const absent = [...weights.keys()].filter((key) => !expected.has(key) && key !== "criterion.logit_scale");
    expect(start.fresh).toEqual(absent);
    expect(absent.every((key) => /^(text_encoder|text_projector|prompt_ctx)\./.test(key))).toBe(true);
  });

  test("of a model with masks' features of another width are none that Hugging Face can express", async () => {
    const other = described("model.hiddenDim=64", "model.normGroups=32", "model.maskDim=48");
    const run = join(temporaryDirectory(), "run");
    await saveTrainedModel(run, { ...other, weights: tinyWeights(1, other.architecture) }, 5);
    const exported = exportModel({ checkpoint: run, to: "huggingface", out: join(run, "out") });
    await expect(exported).rejects.toThrow(/as wide as the pixel decoder.*found 48 and 64 channels/);
  });

  test("of a Mask2Former go over but for what tasks are asked with, and the log says so", async () => {
    const other = describeModel(smallestOf("mask2former"), { task: "panoptic", classes: CLASSES });
    const location = join(temporaryDirectory(), "run");
    await saveTrainedModel(location, { ...other, weights: tinyWeights(1, other.architecture) }, 5);
    const settings = smallestOf("oneformer", "decoder.queries=9"); // one more
    const { declarations } = buildTraining(architectureOf(settings, 4), 2, [64, 64]).weights;
    const start = await weightsFrom(
      { location, parts: PARTS, family: "oneformer", classRule: "same", seed: 0, reporter: recordedReporter() },
      declarations,
    );
    const taken = (pattern: RegExp) => start.loaded.filter((name) => pattern.test(name)).length;
    expect(taken(/^sem_seg_head\.pixel_decoder\./)).toBe(
      [...declarations.keys()].filter((name) => name.startsWith("sem_seg_head.pixel_decoder.")).length,
    );
    expect(taken(/^sem_seg_head\.predictor\.transformer_/)).toBeGreaterThan(20);
    expect(start.fresh.filter((name) => name.startsWith("backbone."))).toEqual([]);
    expect(start.fresh).toContain("sem_seg_head.predictor.query_embed.weight");
    expect(taken(/class_embed/)).toBe(2);
    const log = describeStart(start, "oneformer");
    for (const fresh of ["task_mlp", "text_encoder", "prompt_ctx", "sem_seg_head.predictor.class_transformer"]) {
      expect(log).toContain(fresh);
    }
    expect(log).toMatch(/Left behind[\s\S]*query_feat/);
  });
});

describe("training and answers", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
  });
  afterAll(() => runtime.dispose());

  test("learns a batch by heart, images and texts", async () => {
    const settings = smallestOf("oneformer", "model.dropout=0", "optim.lr=0.003", "optim.warmup=0", "run.steps=60");
    const finetuner = await createFinetuner(runtime, settings);
    const images = randomBatch(settings, 0);
    const targets = [2, 1, 3, 2].map((count) => squares(settings, count));
    const losses: { loss: number; contrastive: number }[] = [];
    for (let step = 0; step < 20; step++) {
      const { loss, loss_contrastive: contrastive } = (await finetuner.step(step, images, targets)).losses;
      losses.push({ loss, contrastive });
    }
    finetuner.dispose();
    const mean = (part: typeof losses, name: "loss" | "contrastive") =>
      part.reduce((sum, one) => sum + one[name], 0) / part.length;
    expect(mean(losses.slice(-5), "loss")).toBeLessThan(0.8 * mean(losses.slice(0, 5), "loss"));
    expect(mean(losses.slice(-5), "contrastive")).toBeLessThan(mean(losses.slice(0, 5), "contrastive"));
  });

  test("the same network gives each task an answer of its own, together as alone", async () => {
    const model = described();
    const weights = tinyWeights(2, model.architecture);
    const predictor = await Predictor.create(
      runtime,
      { ...model, inference: { ...model.inference, objectThreshold: 0 } },
      { weights },
    );
    const image = {
      width: 64,
      height: 64,
      channels: 3 as const,
      data: new Uint8Array(64 * 64 * 3).map((_, i) => i % 251),
    };
    const asked = (...tasks: Task[]) => predictor.predict(image, new Set(tasks));
    const together = await asked("semantic", "instance", "panoptic");
    expect(together.semantic).toEqual((await asked("semantic")).semantic);
    expect(together.panoptic).toEqual((await asked("panoptic")).panoptic);
    expect(together.instances).toEqual((await asked("instance")).instances);
    await predictor.dispose();
    const conditions = (["semantic", "panoptic"] as const).map((task) => oneFormer.condition!(task).get("task")?.data);
    expect(conditions[0]).not.toEqual(conditions[1]);
  });
});

test("a training has room for the longest text of its classes", async () => {
  const model = architectureOf(smallestOf("oneformer"), 4) as OneFormerOptions & ReturnType<typeof architectureOf>;
  const lengthOf = async (...names: string[]) => {
    const fitted = await oneFormer.training!.fit!(
      model,
      names.map((name) => ({ name, isThing: true })),
    );
    return oneFormer.training!.inputs(fitted, { images: 2, size: [64, 64] }).get("text tokens")?.shape[1];
  };
  expect(await lengthOf("car", "dog")).toBe(7); // <start> a photo with a car <end>
  expect(await lengthOf("car", "traffic light")).toBe(8);
  expect(await lengthOf("one two three four five six seven eight nine ten")).toBe(16); // model.textTokens
});

test("a training draws what each image is to be, the same whatever the micro-batches", async () => {
  const settings = smallestOf("oneformer", "model.dropout=0.5");
  const model = architectureOf(settings, 4) as OneFormerOptions & ReturnType<typeof architectureOf>;
  const objects = [3, 1, 5, 2].map((count) => squares(settings, count));
  const batch = { seed: 0, step: 2, objects, classes: CLASSES, task: "panoptic" as const, size: settings.data.crop };
  const drawn = await oneFormer.training!.draw(model, batch);
  const halves = [drawn.inputs(0, 2), drawn.inputs(2, 2)];
  const whole = drawn.inputs(0, 4);
  const joined = (name: string) => halves.flatMap((half) => Array.from(half.get(name) as Float32Array));
  const perImage = [...whole.keys()].filter((name) => name === "task" || name.startsWith("dropout"));
  expect(perImage.length).toBeGreaterThan(3);
  for (const name of perImage) expect(joined(name), name).toEqual(Array.from(whole.get(name) as Float32Array));
  const declared = oneFormer.training!.inputs(model, { images: 4, size: settings.data.crop });
  for (const [name, { shape }] of declared) {
    expect((whole.get(name) as TensorData["data"]).length, name).toBe(shape.reduce((a, b) => a * b, 1));
  }
  expect([...declared.keys()].sort()).toEqual([...whole.keys()].sort());
});

test("texts are computed in the smallest room that they fit in, with the same result", async () => {
  const settings = smallestOf(
    "oneformer",
    "decoder.queries=40",
    "model.promptContext=2",
    "run.batch=2",
    "run.microBatch=2",
  );
  const classes = numberedClasses(60);
  const options = finetunerOptions(settings, classes, 10);
  const model = options.architecture as OneFormerOptions & typeof options.architecture;
  const { rooms, inputs } = oneFormer.training!;
  const textsIn = (roomy: OneFormerOptions) =>
    inputs(roomy, { images: 2, size: settings.data.crop }).get("text tokens");
  expect(rooms!(model, 2).map((roomy) => textsIn(roomy)?.shape[0])).toEqual([48, 63]);
  expect(rooms!({ ...model, texts: { ...model.texts, weight: 0 } }, 2)).toHaveLength(1);

  // 30 objects of an image, of the first `different` classes and others
  const objects = (different: number) =>
    [0, 1].map((image) => squares(settings, 30).map((o, i) => ({ ...o, label: (30 * image + i) % different })));
  const batches = [objects(4), objects(60), objects(46), objects(4)];
  const roomsOf = async (targets: Target[][]) => {
    const batch = { seed: 0, step: 0, objects: targets, classes, task: "instance" as const, size: settings.data.crop };
    return (await oneFormer.training!.draw(model, batch)).room!(0, 2);
  };
  expect(await Promise.all(batches.map(roomsOf))).toEqual([0, 1, 0, 0]);

  const runtime = await createRuntime({ cores: 1 });
  const train = async (architecture: typeof model) => {
    const start = async (declared: ReadonlyMap<string, Declaration>) => ({
      model: freshWeights(declared, 0).weights,
      target: new Map(),
      optimizer: new Map(),
    });
    const finetuner = await Finetuner.create(runtime, { ...options, task: "instance", architecture }, start);
    const losses: number[] = [];
    for (const [step, targets] of batches.entries()) {
      losses.push((await finetuner.step(step, randomBatch(settings, step), targets)).losses.loss_contrastive);
    }
    finetuner.dispose();
    return losses;
  };
  const found = await train(model);
  const wide = await train({ ...model, texts: { ...model.texts, room: 63 } });
  expect(new Set(found).size).toBe(4);
  found.forEach((loss, i) => {
    expect(loss).toBeCloseTo(wide[i], 3);
  });
  expect(found[0]).toBeCloseTo(wide[0], 6);
  runtime.dispose();
});
