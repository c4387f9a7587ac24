/** @file What lies beside weights of others is taken from there, and printed as such. */

import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { withImageNetColours } from "../../src/checkpoint/input-colours.js";
import { writeSafetensors } from "../../src/checkpoint/safetensors.js";
import { floats, type TensorData } from "../../src/core/tensor-data.js";
import { CITYSCAPES_CLASSES } from "../../src/data/datasets/cityscapes.js";
import { exportModel } from "../../src/export/export-model.js";
import { describeModel } from "../../src/finetune/composition.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import { loadTrainedModel, saveTrainedModel } from "../../src/predict/trained-model.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { SMALLEST_MODEL } from "../support/tiny-finetuning.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-beside-"));
const at = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const MODEL = [...SMALLEST_MODEL.filter((set) => !set.includes("normGroups")), "model.normGroups=32"];
const settings = resolveSettings({ preset: "small", sets: [...MODEL, "decoder.queries=4"] });
const described = describeModel(settings, { task: "panoptic", classes: CITYSCAPES_CLASSES });
const weights: ReadonlyMap<string, TensorData> = new Map(
  [...inferenceWeights(described.architecture)].map(([name, shape], at) => [
    name,
    floats(
      shape,
      Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => Math.cos(i + at)),
    ),
  ]),
);

beforeAll(async () => {
  await saveTrainedModel(at("run"), { ...described, weights }, 1);
  await exportModel({ checkpoint: at("run"), to: "detectron2", out: at("weights.pth") });
  await exportModel({ checkpoint: at("run"), to: "huggingface", form: "torch", out: at("folder") });
});

/** The .pth file with files beside it. */
function withFiles(name: string, files: Readonly<Record<string, string>>): string {
  const file = at(name, "model_final.pth");
  mkdirSync(dirname(file));
  copyFileSync(at("weights.pth"), file);
  for (const [other, text] of Object.entries(files)) writeFileSync(at(name, other), text);
  return file;
}

/** As detectron2 writes it: all keys, tuples, and aliases of what Python holds once. */
const DUMPED = `
CUDNN_BENCHMARK: false
DATASETS:
  TEST: !!python/tuple [cityscapes_fine_panoptic_val]
  PROPOSALS: &id001 []
INPUT: {FORMAT: RGB, MIN_SIZE_TEST: 512, MAX_SIZE_TEST: 2048, CROP: *id001}
MODEL:
  BACKBONE: {NAME: build_resnet_backbone, FREEZE_AT: 0}
  PIXEL_MEAN: [123.675, 116.28, 103.53]
  PIXEL_STD: [58.395, 57.12, 57.375]
  RESNETS: {STRIDE_IN_1X1: false, RES5_DILATION: 1}
  MASK_FORMER:
    NHEADS: 4
    UNKNOWN: [1, {a: 2}]
    CLASS_WEIGHT: 2.0
    MASK_WEIGHT: 5.0
    DICE_WEIGHT: 4.0
    NO_OBJECT_WEIGHT: 0.1
    TEST: {SEMANTIC_ON: true, INSTANCE_ON: true, PANOPTIC_ON: false, OBJECT_MASK_THRESHOLD: 0.3, OVERLAP_THRESHOLD: 0.6}
TEST: {DETECTIONS_PER_IMAGE: 77}
`;

test("a configuration of detectron2", async () => {
  const reporter = recordedReporter();
  const model = await loadTrainedModel(dirname(withFiles("dumped", { "config.yaml": DUMPED })), { reporter });
  expect(model).toMatchObject({
    task: "instance",
    classes: CITYSCAPES_CLASSES,
    inference: { shortEdge: 512, longEdge: 2048, objectThreshold: 0.3, overlapThreshold: 0.6, topK: 77 },
    criterion: { weights: { class: 2, mask: 5, dice: 4 }, noObject: 0.1 },
  });
  expect(model.architecture.transformerDecoder.heads).toBe(4);
  const text = reporter.lines.join("\n");
  expect(text).toMatch(
    /by config\.yaml: 4 heads, task instance, shorter side 512.* 77, colours normalised as ImageNet's/,
  );
  expect(text).toMatch(/by cityscapes_fine_panoptic_val, its data set: Cityscapes's 19 classes/);
});

test("one that inherits from another, and what it inherits from and is not there", async () => {
  const own = "_BASE_: ../base.yaml\nMODEL: {MASK_FORMER: {TEST: {PANOPTIC_ON: true}}}\n";
  writeFileSync(at("base.yaml"), DUMPED.replace("MIN_SIZE_TEST: 512", "MIN_SIZE_TEST: 640"));
  const model = await loadTrainedModel(withFiles("inherits", { "model_final.yaml": own, "data.yaml": "classes: [a]" }));
  expect(model).toMatchObject({ task: "panoptic", inference: { shortEdge: 640, objectThreshold: 0.3 } });
  const reporter = recordedReporter();
  await loadTrainedModel(withFiles("orphan", { "m2f.yaml": own.replace("../base", "gone") }), { reporter });
  expect(reporter.lines.join("\n")).toContain("by m2f.yaml without gone.yaml, which is not there: ");
});

test("a configuration of a model that is not built here, and one that is no YAML, are refused", async () => {
  const strided = withFiles("strided", {
    "config.yaml": DUMPED.replace("STRIDE_IN_1X1: false", "STRIDE_IN_1X1: true"),
  });
  await expect(loadTrainedModel(strided)).rejects.toThrow(/config\.yaml: expected MODEL\.RESNETS\.STRIDE_IN_1X1 false/);
  const broken = withFiles("broken", { "config.yaml": "MODEL: [1" });
  await expect(loadTrainedModel(broken)).rejects.toThrow(/config\.yaml: expected valid YAML, found .*Repair it/);
});

test("other colours: the first layer takes ImageNet's", async () => {
  const path = at("folder", "preprocessor_config.json");
  const config = JSON.parse(readFileSync(path, "utf8"));
  const half = [0.5, 0.5, 0.5];
  writeFileSync(path, JSON.stringify({ ...config, image_mean: half, image_std: half }));
  const reporter = recordedReporter();
  const model = await loadTrainedModel(at("folder"), { reporter });
  const [mean, deviation] = [half, half].map((values) => values.map((value) => 255 * value)) as unknown as [
    [number, number, number],
    [number, number, number],
  ];
  const expected = withImageNetColours(weights, { from: "", path: "", blueFirst: false, mean, deviation });
  for (const name of ["weight", "norm.running_mean"]) {
    const found = model.weights.get(`backbone.stem.conv1.${name}`);
    expect(found).toEqual(expected.get(`backbone.stem.conv1.${name}`));
    expect(found).not.toEqual(weights.get(`backbone.stem.conv1.${name}`));
  }
  expect(reporter.lines.join("\n")).toMatch(
    /by preprocessor_config\.json: .*, colours red first, mean 127\.5, 127\.5, 127\.5/,
  );
});

test("heads that cannot be, and weights that are no finite floats, are refused", async () => {
  const config = JSON.parse(readFileSync(at("folder", "config.json"), "utf8"));
  writeFileSync(at("folder", "config.json"), JSON.stringify({ ...config, num_attention_heads: 5 }));
  await expect(loadTrainedModel(at("folder"))).rejects.toThrow(/expected heads that share \d+ .* found 5 heads/);
  const name = "backbone.res2.0.conv1.weight";
  const { shape, data } = weights.get(name)!;
  const whole = { dtype: "int32", shape, data: Int32Array.from(data as Float32Array) } as TensorData;
  await writeSafetensors(at("integers.safetensors"), new Map([...weights, [name, whole]]));
  await expect(loadTrainedModel(at("integers.safetensors"))).rejects.toThrow(
    /1 of another type:\n {2}backbone\.res2\.0\.conv1\.weight: model float32, file int32/,
  );
  const broken = floats(
    shape,
    Float32Array.from(data as Float32Array, (value, i) => (i === 3 ? Number.NaN : value)),
  );
  await writeSafetensors(at("broken.safetensors"), new Map([...weights, [name, broken]]));
  await expect(loadTrainedModel(at("broken.safetensors"))).rejects.toThrow(
    /1 with NaN or infinity:\n {2}backbone\.res2\.0\.conv1\.weight\. Get the file again/,
  );
});
