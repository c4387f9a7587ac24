import { describe, expect, test } from "vitest";
import type { Image, Size } from "../../../src/core/image.js";
import type { TensorData } from "../../../src/core/tensor-data.js";
import { segmentingExpectation } from "../../../src/export/onnx/expectations.js";
import { roundedWeights } from "../../../src/export/onnx/half-weights.js";
import { modelFile } from "../../../src/export/onnx/model-file.js";
import { segmentingNetwork } from "../../../src/export/onnx/network.js";
import { OPSETS } from "../../../src/export/onnx/options.js";
import { tryFile } from "../../../src/export/onnx/try-file.js";
import { type Architecture, FAMILY_NAMES, type FamilyName, familyOf, sizesOf } from "../../../src/families/families.js";
import { describeModel } from "../../../src/finetune/composition.js";
import { resolveSettings } from "../../../src/finetune/settings-resolution.js";
import { TASKS } from "../../../src/masks/segmentation.js";
import { encodeModel } from "../../../src/onnx/protobuf.js";
import { createRuntime } from "../../../src/runtime/create-runtime.js";
import type { ModelDescription } from "../../../src/weights/model-description.js";
import { ENGINES, openModel, operatorsOf } from "../../support/onnx-file.js";
import { SMALLEST_TRAINING, smallestModel } from "../../support/tiny-finetuning.js";
import { tinyWeights } from "../../support/tiny-model.js";

const runtime = await createRuntime({ device: "cpu", cores: 1 });

const CLASSES = ["sky", "ground", "tree", "cone"].map((name, id) => ({
  id,
  name,
  isThing: id >= 2,
  color: [id, 2, 3] as const,
}));

function describedModel(sets: readonly string[]): ModelDescription {
  const settings = resolveSettings({ preset: "small", sets: [...sets, ...SMALLEST_TRAINING] });
  const model = describeModel(settings, { task: "panoptic", classes: CLASSES });
  // Random weights are unsure of everything.
  return { ...model, inference: { ...model.inference, objectThreshold: 0, overlapThreshold: 0.2, topK: 10 } };
}

/** Offsets of sampling points start as constants: here they depend on the image, as after training. */
function livelyWeights(architecture: Architecture): Map<string, TensorData<"float32">> {
  const weights = tinyWeights(0, architecture);
  for (const [name, { data }] of weights) {
    if (!/(sampling_offsets|attention_weights)\.weight$/.test(name)) continue;
    for (let i = 0; i < data.length; i++) data[i] = 0.1 * Math.sin(12.9898 * i);
  }
  return weights;
}

/** Stripes and blobs; `k` tells images apart. */
function pictureOf({ width, height }: Size, k: number): Image {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [x, y, c] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width), i % 3];
    return 128 + 60 * Math.sin(x / (5 + k) + c) + 60 * Math.cos(y / (7 - k) + (x * c) / 40);
  });
  return { width, height, data };
}

/** All of one shorter side, and none of them a size that graphs are built at. */
const SIZES: readonly Size[] = [
  { width: 64, height: 64 },
  { width: 160, height: 64 },
  { width: 64, height: 128 },
];
/** Two images at once, and one. */
const trialsOf = (size: Size) => [[pictureOf(size, 0), pictureOf(size, 1)], [pictureOf(size, 2)]];

const rulesOf = ({ architecture, classes, inference, task }: ModelDescription) => ({
  ...inference,
  classes,
  queries: sizesOf(architecture).queries,
  panoptic: familyOf(architecture).segments.panoptic,
  thingsOnly: task === "panoptic",
});

const PLAIN = { opset: OPSETS.oldest, half: false, normalise: false, forms: new Set<never>(), description: {} };

/** A model's file for one size or any. */
function fileOf(
  model: ModelDescription,
  weights: Map<string, TensorData>,
  options: Partial<Parameters<typeof modelFile>[1]>,
) {
  const network = segmentingNetwork(model.architecture, weights, model.task);
  return encodeModel(modelFile(network, { ...PLAIN, rules: rulesOf(model), ...options }));
}

interface Case {
  readonly family: FamilyName;
  readonly backbone: "resnet50" | "swin";
  readonly norm?: string;
}

const CASES: readonly Case[] = [
  ...FAMILY_NAMES.flatMap((family) => [
    { family, backbone: "resnet50" as const, norm: "frozen" },
    { family, backbone: "swin" as const },
  ]),
  { family: "mask2former", backbone: "resnet50", norm: "batch" },
  { family: "mask2former", backbone: "resnet50", norm: "group" },
];
const setsOf = ({ family, backbone, norm }: Case) => [
  ...smallestModel(family, backbone),
  ...(norm ? [`model.norm=${norm}`] : []),
  ...(norm === "group" ? ["model.backboneNormGroups=2"] : []),
];
const titleOf = ({ family, backbone, norm }: Case) => `${family}, ${backbone}${norm ? ` with ${norm} norm` : ""}`;

describe.each(CASES.map((one) => [titleOf(one), one] as const))("%s", (_, one) => {
  const model = describedModel(setsOf(one));
  const weights = livelyWeights(model.architecture);

  test("gives what predict gives, in every engine, at three sizes and two numbers of images", async () => {
    const expectation = await segmentingExpectation(runtime, model, weights, {
      edge: 64,
      task: model.task,
      forms: new Set(),
    });
    const anySize = one.backbone === "resnet50" ? fileOf(model, weights, {}) : undefined;
    for (const size of SIZES) {
      const file = anySize ?? fileOf(model, weights, { size });
      expect(operatorsOf(file).domains).toEqual([""]);
      for (const engine of ENGINES) {
        const session = await openModel(engine, file);
        const found = await tryFile(session, trialsOf(size), expectation, false);
        const where = `${engine} ${size.height}x${size.width}`;
        expect(found.difference, where).toBeLessThan(1e-5);
        expect(found.equalPixels, where).toBe(1);
        await session.release();
      }
    }
    await expectation.dispose();
  });
});

describe("inside a file", () => {
  const model = describedModel(smallestModel());
  const weights = livelyWeights(model.architecture);

  test.each([...TASKS])("%s answers are predict's, of bytes of any size", async (form) => {
    const forms = new Set([form]);
    const expectation = await segmentingExpectation(runtime, model, weights, { edge: 64, task: model.task, forms });
    const session = await openModel("onnxruntime-web", fileOf(model, weights, { normalise: true, forms }));
    const trials = trialsOf({ width: 75, height: 64 });
    expect(await tryFile(session, trials, expectation, true)).toMatchObject({ equalPixels: 1 });
    await session.release();
    await expectation.dispose();
  });

  test("weights in float16 take half the space, and nearly all labels stay", async () => {
    const expectation = await segmentingExpectation(runtime, model, weights, {
      edge: 64,
      task: model.task,
      forms: new Set(),
    });
    const rounded = await segmentingExpectation(runtime, model, roundedWeights(weights), {
      edge: 64,
      task: model.task,
      forms: new Set(),
    });
    const session = await openModel("onnxruntime-node", fileOf(model, weights, { half: true }));
    const expected = { outputs: rounded.outputs, pixels: expectation.pixels };
    const { difference, equalPixels } = await tryFile(session, trialsOf(SIZES[1]), expected, false);
    expect(difference).toBeLessThan(1e-5);
    expect(equalPixels).toBeGreaterThan(0.98);
    await session.release();
    for (const open of [expectation, rounded]) await open.dispose();
  });
});
