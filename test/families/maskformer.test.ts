import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportModel } from "../../src/export/export-model.js";
import { drawFactors, droppedInputs } from "../../src/families/dropout.js";
import { familyOf } from "../../src/families/families.js";
import { segment } from "../../src/families/family.js";
import { architectureOf, describeModel } from "../../src/finetune/composition.js";
import { PRESETS } from "../../src/finetune/presets.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { weightsFrom } from "../../src/finetune/starting-weights.js";
import { Graph } from "../../src/graph/graph.js";
import { asInputs, Parameters } from "../../src/nn/scope.js";
import { loadTrainedModel, saveTrainedModel } from "../../src/predict/trained-model.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { describeStart } from "../../src/weights/starting-weights.js";
import { bitsOf } from "../support/bits.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { createFinetuner, randomBatch, smallestOf, squares } from "../support/tiny-finetuning.js";
import { tinyWeights } from "../support/tiny-model.js";

const CLASSES = ["person", "car", "sky", "road"].map((name, i) => ({
  id: i,
  name,
  isThing: i === 0,
  color: [i, 2, 3] as const,
}));
const described = (...sets: string[]) =>
  describeModel(smallestOf("maskformer", "model.hiddenDim=64", "model.normGroups=32", ...sets), {
    task: "panoptic",
    classes: CLASSES,
  });

describe("presets", () => {
  /** Trained numbers of a model, by the beginning of their names. */
  function counted(preset: string, classes: number) {
    const graph = new Graph("count");
    const parameters = new Parameters(asInputs(graph));
    const model = architectureOf(PRESETS[preset], classes);
    segment(familyOf(model), parameters.root, graph.input("images", "float32", [1, 3, 64, 64]), model);
    const trained = [...parameters.declarations.values()].filter(({ kind }) => kind === "parameter");
    return (prefix = "") =>
      trained
        .filter(({ name }) => name.startsWith(prefix))
        .reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0);
  }

  test.each([
    ["maskformer-r50-ade20k-semantic", 150, 23_454_912, 7_540_480, 10_259_351],
    ["maskformer-r50-coco-panoptic", 133, 23_454_912, 11_826_688, 9_730_438],
    ["maskformer-swin-t-ade20k-semantic", 150, 27_520_698, 4_304_640, 9_931_671],
    ["maskformer-swin-t-coco-panoptic", 133, 27_520_698, 4_304_640, 9_927_302],
  ])("%s has as many weights as the official model", (preset, classes, backbone, pixelDecoder, predictor) => {
    const count = counted(preset, classes);
    expect(count("backbone.")).toBe(backbone);
    expect(count("sem_seg_head.pixel_decoder.")).toBe(pixelDecoder);
    expect(count("sem_seg_head.predictor.")).toBe(predictor);
    expect(count()).toBe(backbone + pixelDecoder + predictor);
  });

  test("have the numbers of the authors' configurations", () => {
    const of = (name: string) => PRESETS[`maskformer-${name}`];
    const criterion = { classWeight: 1, maskWeight: 20, diceWeight: 1, noObject: 0.1 };
    expect(of("r50-ade20k-semantic")).toMatchObject({
      criterion,
      data: { crop: [512, 512], longEdge: 2048, colorJitter: true },
      optim: {
        lr: 1e-4,
        weightDecay: 1e-4,
        backboneLrFactor: 0.1,
        clip: 0.01,
        schedule: "poly",
        polyPower: 0.9,
        warmup: 0,
      },
      run: { batch: 16, steps: 160_000 },
      model: { dropout: 0.1, decoderLayers: 6, encoderLayers: 0, norm: "frozen" },
    });
    const { warmup } = of("swin-t-ade20k-semantic").optim;
    expect(of("swin-t-ade20k-semantic").optim).toMatchObject({ lr: 6e-5, weightDecay: 0.01, backboneLrFactor: 1 });
    expect(warmup * 160_000).toBe(1500);
    expect(of("r50-ade20k-panoptic")).toMatchObject({
      data: { crop: [640, 640] },
      inference: { objectThreshold: 0.7, overlapThreshold: 0.8, shortEdge: 640, longEdge: 2560 },
      model: { encoderLayers: 6 },
    });
    expect(of("r101-cityscapes-semantic")).toMatchObject({
      model: { stageBlocks: [3, 4, 23, 3], norm: "frozen" },
      data: { crop: [512, 1024] },
      run: { steps: 90_000 },
    });
    const coco = of("r50-coco-panoptic");
    expect(coco).toMatchObject({
      criterion,
      data: { view: "shortest-edge", longEdge: 1333, colorJitter: false },
      inference: { objectThreshold: 0.8, shortEdge: 800, longEdge: 1333 },
      optim: { schedule: "multistep", gamma: 0.1, lr: 1e-4 },
      run: { batch: 64, steps: 554_400 },
    });
    expect(coco.data.shortEdges).toEqual([480, 512, 544, 576, 608, 640, 672, 704, 736, 768, 800]);
    expect(coco.optim.milestones.map((share) => share * 554_400)).toEqual([369_600]);
  });

  test("of another family bring the weights of its losses with them, unless they are given", () => {
    const weights = { classWeight: 1, maskWeight: 20, diceWeight: 1 };
    expect(resolveSettings({ preset: "small", sets: ["model.family=maskformer"] }).criterion).toMatchObject(weights);
    const given = resolveSettings({ preset: "small", sets: ["model.family=maskformer", "criterion.maskWeight=7"] });
    expect(given.criterion).toMatchObject({ ...weights, maskWeight: 7 });
    const back = resolveSettings({ preset: "maskformer-r50-ade20k-semantic", sets: ["model.family=mask2former"] });
    expect(back.criterion).toMatchObject({ classWeight: 2, maskWeight: 5, diceWeight: 5 });
  });

  test("drop what the authors drop, small ones of another family's nothing, unless it is given", () => {
    const dropout = (preset: string, ...sets: string[]) => {
      const { model } = resolveSettings({ preset, sets: ["model.family=maskformer", ...sets] });
      return "dropout" in model && model.dropout;
    };
    expect(dropout("mask2former-r50-coco-panoptic")).toBe(0.1);
    expect(dropout("scenes")).toBe(0);
    expect(dropout("scenes", "model.backbone=swin")).toBe(0);
    expect(dropout("scenes", "model.dropout=0.2")).toBe(0.2);
  });
});

describe("weights", () => {
  const model = described("model.encoderLayers=0");
  const weights = tinyWeights(1, model.architecture);

  test.each([
    ["huggingface", "folder"],
    ["detectron2", "model.pkl"],
    ["detectron2", "model.pth"],
    ["canonical", "model.safetensors"],
  ] as const)("are what they were after an export to %s, %s", async (to, name) => {
    const directory = temporaryDirectory();
    const [run, out] = [join(directory, "run"), join(directory, name)];
    await saveTrainedModel(run, { ...model, weights }, 5);
    await exportModel({ checkpoint: run, to, out });
    const read = await loadTrainedModel(out);
    const own = new Map([...read.weights].filter(([name]) => weights.has(name)));
    expect(bitsOf(own)).toEqual(bitsOf(weights));
    expect(read.architecture.family).toBe("maskformer");
    expect(read.architecture.transformerDecoder).toMatchObject({ queries: 8, layers: 2, feedForwardDim: 32 });
    if (to === "huggingface") expect(read.criterion?.weights).toEqual({ class: 1, mask: 20, dice: 1 });
  });

  test("of a model with an encoder are none that Hugging Face can express", async () => {
    const withEncoder = described();
    const run = join(temporaryDirectory(), "run");
    await saveTrainedModel(run, { ...withEncoder, weights: tinyWeights(1, withEncoder.architecture) }, 5);
    const exported = exportModel({ checkpoint: run, to: "huggingface", out: join(run, "out") });
    await expect(exported).rejects.toThrow(
      /transformers can express: no encoder in the pixel decoder.*found one, with .*--to detectron2/,
    );
  });

  test("of a Mask2Former give their backbone, and the log says why no more", async () => {
    const settings = smallestOf("mask2former");
    const other = describeModel(settings, { task: "panoptic", classes: CLASSES });
    const location = join(temporaryDirectory(), "run");
    await saveTrainedModel(location, { ...other, weights: tinyWeights(1, other.architecture) }, 5);
    const { declarations } = buildTraining(
      architectureOf(smallestOf("maskformer"), CLASSES.length),
      1,
      [64, 64],
    ).weights;
    const from = (...parts: ("backbone" | "pixel-decoder" | "transformer-decoder")[]) =>
      weightsFrom(
        { location, parts, family: "maskformer", classRule: "same", seed: 0, reporter: recordedReporter() },
        declarations,
      );
    const start = await from("backbone", "pixel-decoder", "transformer-decoder");
    expect(start.loaded.every((name) => name.startsWith("backbone."))).toBe(true);
    expect(start.loaded.length).toBe([...declarations.keys()].filter((name) => name.startsWith("backbone.")).length);
    const log = describeStart(start, "maskformer");
    expect(log).toContain(
      "The pixel-decoder starts fresh: MaskFormer has a feature pyramid, Mask2Former multi-scale deformable attention.",
    );
    expect(log).toContain("The transformer-decoder starts fresh: MaskFormer has attention to all of one map,");
    await expect(from("pixel-decoder")).rejects.toThrow(
      "a part that MaskFormer has in common with Mask2Former: backbone, found --from-parts pixel-decoder",
    );
  });
});

describe("training", () => {
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
  });
  afterAll(() => runtime.dispose());

  test("dropout drops its share, other elements in each image and step, the same whatever the micro-batches", () => {
    const inputs = droppedInputs((_, graph, dropout) => {
      dropout.in("layer", 0).apply(graph.zeros([1, 40, 50]), "place");
    });
    const [name] = inputs.keys();
    const drawn = (step: number, first: number, count: number) => [
      ...(drawFactors(inputs, 0.2, { seed: 1, step }, [first, count]).get(name) as Float32Array),
    ];
    const both = drawn(3, 4, 2);
    expect(new Set(both)).toEqual(new Set([0, 1.25]));
    expect(both.filter((factor) => factor === 0).length / both.length).toBeCloseTo(0.2, 1);
    expect([...drawn(3, 4, 1), ...drawn(3, 5, 1)]).toEqual(both);
    expect(drawn(3, 5, 1)).not.toEqual(drawn(3, 4, 1));
    expect(drawn(4, 4, 1)).not.toEqual(drawn(3, 4, 1));
  });

  test("learns a batch by heart", async () => {
    const settings = smallestOf("maskformer", "model.dropout=0", "optim.lr=0.003", "optim.warmup=0", "run.steps=60");
    const finetuner = await createFinetuner(runtime, settings);
    const images = randomBatch(settings, 0);
    const targets = [2, 1, 3, 2].map((count) => squares(settings, count));
    const losses: number[] = [];
    for (let step = 0; step < 40; step++) losses.push((await finetuner.step(step, images, targets)).losses.loss);
    finetuner.dispose();
    expect(losses.at(-1)).toBeLessThan(0.6 * losses[0]);
  });
});
