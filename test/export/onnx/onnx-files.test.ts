import { describe, expect, test } from "vitest";
import type { Image, Size } from "../../../src/core/image.js";
import type { TensorData } from "../../../src/core/tensor-data.js";
import { segmentingExpectation } from "../../../src/export/onnx/expectations.js";
import { roundedWeights } from "../../../src/export/onnx/half-weights.js";
import { modelFile } from "../../../src/export/onnx/model-file.js";
import { segmentingNetwork } from "../../../src/export/onnx/network.js";
import { OPSETS } from "../../../src/export/onnx/options.js";
import { type Expectation, tryFile } from "../../../src/export/onnx/try-file.js";
import { FAMILY_NAMES, type FamilyName, familyOf, sizesOf } from "../../../src/families/families.js";
import { describeModel } from "../../../src/finetune/composition.js";
import { resolveSettings } from "../../../src/finetune/settings-resolution.js";
import { TASKS, type Task } from "../../../src/masks/segmentation.js";
import { encodeModel } from "../../../src/onnx/protobuf.js";
import { createRuntime } from "../../../src/runtime/create-runtime.js";
import { plainTensor } from "../../../src/runtime/plain-onnxruntime.js";
import type { ModelDescription } from "../../../src/weights/model-description.js";
import { ENGINES, type Engine, openModel, operatorsOf } from "../../support/onnx-file.js";
import { SMALLEST_TRAINING, smallestModel } from "../../support/tiny-finetuning.js";
import { vividWeights } from "../../support/tiny-model.js";
import { undecidedIn } from "../../support/undecided-pixels.js";

const runtime = await createRuntime({ device: "cpu", cores: 1 });

type Weights = ReadonlyMap<string, TensorData>;

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
/** The same images for every engine: what is expected of them is computed once. */
const TRIALS = new Map(SIZES.map((size) => [size, trialsOf(size)] as const));

const rulesOf = ({ architecture, classes, inference, task }: ModelDescription) => ({
  ...inference,
  classes,
  queries: sizesOf(architecture).queries,
  panoptic: familyOf(architecture).segments.panoptic,
  thingsOnly: task === "panoptic",
});

/** How far logits may be off, as a share of the largest one. */
const TOLERANCE = 1e-5;
/** Share of pixels whose two best classes are so close that such logits may exchange them. */
const UNDECIDED = 0.0025;

/** What one model is asked for, and the form of labels that are compared. */
const TASK = "semantic";

const expectationOf = (model: ModelDescription, weights: Weights, forms: ReadonlySet<Task> = new Set()) =>
  segmentingExpectation(runtime, model, weights, { edge: 64, task: TASK, forms });

/** The same, and counts the pixels that get another label although logits within the tolerance cannot change it. */
function watched(expectation: Required<Expectation>) {
  const count = { wrong: 0, undecided: 0, all: 0 };
  const known = new WeakMap<Image, readonly boolean[]>();
  const labels: Expectation["labels"] = async (image, answer) => {
    const maps = await expectation.labels(image, answer);
    const undecided = known.get(image) ?? undecidedIn(await expectation.outputs(image), image, TOLERANCE);
    known.set(image, undecided);
    for (const { wanted, found } of maps) {
      count.wrong += undecided.filter((open, i) => !open && wanted[i] !== found[i]).length;
      count.undecided += undecided.filter(Boolean).length;
      count.all += undecided.length;
    }
    return maps;
  };
  return { count, expected: { outputs: expectation.outputs, labels } };
}

const PLAIN = { opset: OPSETS.oldest, half: false, normalise: false, forms: new Set<Task>(), description: {} };

/** A model's file for one size or any. */
function fileOf(model: ModelDescription, weights: Weights, options: Partial<Parameters<typeof modelFile>[1]>) {
  const network = segmentingNetwork(model.architecture, weights, TASK);
  return encodeModel(modelFile(network, { ...PLAIN, rules: rulesOf(model), ...options }));
}

interface Case {
  readonly family: FamilyName;
  readonly backbone: "resnet50" | "swin";
  readonly norm?: string;
  readonly engines: readonly Engine[];
}

const CASES: readonly Case[] = [
  ...FAMILY_NAMES.flatMap((family) => [
    { family, backbone: "resnet50" as const, norm: "frozen", engines: ENGINES },
    { family, backbone: "swin" as const, engines: ENGINES },
  ]),
  { family: "mask2former", backbone: "resnet50", norm: "group", engines: ["onnxruntime-node"] },
];
const setsOf = ({ family, backbone, norm }: Case) => [
  ...smallestModel(family, backbone),
  "model.decoderLayers=1",
  ...(norm ? [`model.norm=${norm}`] : []),
  ...(norm === "group" ? ["model.backboneNormGroups=2"] : []),
];
const titleOf = ({ family, backbone, norm }: Case) => `${family}, ${backbone}${norm ? ` with ${norm} norm` : ""}`;

/** Where the files of a model are tried: one that takes any size, or one for each. */
const filesOf = (model: ModelDescription, weights: Weights, { backbone }: Case) =>
  backbone === "swin"
    ? SIZES.map((size) => ({ file: fileOf(model, weights, { size }), sizes: [size] }))
    : [{ file: fileOf(model, weights, {}), sizes: SIZES }];

test.each(CASES.map((one) => [titleOf(one), one] as const))(
  "the file of %s gives what predict gives, at three sizes and two numbers of images",
  async (_, one) => {
    const model = describedModel(setsOf(one));
    const weights = vividWeights(model.architecture);
    const expectation = await expectationOf(model, weights);
    const { expected, count } = watched(expectation);
    for (const { file, sizes } of filesOf(model, weights, one)) {
      expect(operatorsOf(file).domains).toEqual([""]);
      for (const engine of one.engines) {
        const session = await openModel(engine, file);
        for (const size of sizes) {
          const { difference } = await tryFile(session, TRIALS.get(size)!, expected, false);
          expect(difference, `${engine} ${size.height}x${size.width}`).toBeLessThan(TOLERANCE);
        }
        await session.release();
      }
    }
    expect(count.wrong).toBe(0);
    expect(count.undecided / count.all).toBeLessThan(UNDECIDED);
    await expectation.dispose();
  },
);

describe("inside a file", () => {
  const model = describedModel(smallestModel());
  const weights = vividWeights(model.architecture);

  test.each([...TASKS])("%s answers are predict's, of bytes of any size", async (form) => {
    const forms = new Set([form]);
    const expectation = await expectationOf(model, weights, forms);
    const session = await openModel("onnxruntime-web", fileOf(model, weights, { normalise: true, forms }));
    const trials = trialsOf({ width: 75, height: 64 });
    const { difference, equalPixels } = await tryFile(session, trials, expectation, true);
    expect(difference).toBeLessThan(TOLERANCE);
    expect(equalPixels).toBe(1);
    const [[picture]] = trials;
    const outputs = await session.run({ pixel_values: plainTensor("uint8", picture.data, [1, 64, 75, 3]) });
    const found = outputs[form === "instance" ? "instance_labels" : form].data as BigInt64Array;
    expect(new Set(found).size).toBeGreaterThan(1);
    await session.release();
    await expectation.dispose();
  });

  test("weights in float16 take half the space, and nearly all labels stay", async () => {
    const [expectation, rounded] = [
      await expectationOf(model, weights),
      await expectationOf(model, roundedWeights(weights)),
    ];
    const [file, half] = [false, true].map((half) => fileOf(model, weights, { half }));
    const session = await openModel("onnxruntime-node", half);
    const expected = { outputs: rounded.outputs, labels: expectation.labels };
    const { difference, equalPixels } = await tryFile(session, trialsOf(SIZES[1]), expected, false);
    expect(difference).toBeLessThan(TOLERANCE);
    expect(equalPixels).toBeGreaterThan(0.98);
    const bytes = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    expect(file.length - half.length).toBeGreaterThan(0.4 * bytes);
    await session.release();
    for (const open of [expectation, rounded]) await open.dispose();
  });
});
