import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { saveCheckpoint } from "../../../src/checkpoint/run-state.js";
import type { TensorData } from "../../../src/core/tensor-data.js";
import { requireRoom } from "../../../src/export/onnx/export-onnx.js";
import { describeModel } from "../../../src/finetune/composition.js";
import { readImage } from "../../../src/io/image-file.js";
import { stepOptions } from "../../../src/pretrain/composition.js";
import { encoderWeights } from "../../../src/run/feature-extractor.js";
import { SETTINGS_FILE } from "../../../src/run/run-files.js";
import { type PlainSession, plainTensor } from "../../../src/runtime/plain-onnxruntime.js";
import { freshWeights } from "../../../src/weights/starting-weights.js";
import { writeImages } from "../../support/image-folder.js";
import { runMain } from "../../support/in-process.js";
import { installedPackage, metadataOf, openModel, operatorsOf } from "../../support/onnx-file.js";
import { smallestOf } from "../../support/tiny-finetuning.js";
import { saveTinyModel, tinyModel, vividWeights } from "../../support/tiny-model.js";
import { smallestSettings } from "../../support/tiny-pretraining.js";

/** All that files are made of, with all forms of answer inside. */
const OPERATORS = `
  Abs Add And ArgMax Cast Concat Conv Cos CumSum Div Equal Exp Expand Floor Gather GatherElements GatherND
  Gemm Greater GreaterOrEqual Identity LayerNormalization Less MatMul Max MaxPool Min Mod Mul Neg Pad
  Range Reciprocal ReduceMax ReduceMean ReduceSum Relu Reshape Resize Shape Sin Slice Softmax Sqrt
  Squeeze Sub TopK Transpose Trilu Unsqueeze Where`
  .trim()
  .split(/\s+/);

/** Segments of random weights, which are sure of nothing. */
const OPEN = { threshold: 0, mask_threshold: 0.3, overlap_mask_area_threshold: 0 };

interface Loaded<T> {
  from_pretrained(folder: string): Promise<T>;
}
type Tensors = Readonly<Record<string, { readonly dims: readonly number[] }>>;
/** What is used here of the package @huggingface/transformers. */
interface Transformers {
  readonly env: { allowRemoteModels: boolean };
  readonly RawImage: { read(file: string): Promise<object> };
  readonly AutoProcessor: Loaded<(image: object) => Promise<Tensors>>;
  readonly AutoModel: Loaded<((inputs: Tensors) => Promise<Tensors>) & { dispose(): Promise<unknown> }>;
  pipeline(task: string, folder: string): Promise<(image: object, options: object) => Promise<{ label: string }[]>>;
}

/** What is added to how many values of a file's mask logits while it is tried. */
const spoil = vi.hoisted(() => ({ by: 0, values: 1 }));
vi.mock("../../../src/runtime/plain-onnxruntime.js", async (original) => {
  const real = await original<typeof import("../../../src/runtime/plain-onnxruntime.js")>();
  const openPlainSession = async (file: string): Promise<PlainSession> => {
    const session = await real.openPlainSession(file);
    const run: PlainSession["run"] = async (feeds) => {
      const outputs = await session.run(feeds);
      const { data } = outputs.masks_queries_logits ?? {};
      if (spoil.by !== 0) for (let i = 0; i < spoil.values; i++) (data as Float32Array)[i] += spoil.by;
      return outputs;
    };
    return { inputNames: [], outputNames: [], run, release: () => session.release() };
  };
  return { ...real, openPlainSession };
});

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-export-onnx-"));
const at = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(async () => {
  await saveTinyModel(at("run"), tinyModel("panoptic"), vividWeights());
  await writeImages(at("photos"), 2);
});

const exported = (...args: string[]) => runMain("export", "--checkpoint", at("run"), "--to", "onnx", ...args);

describe("a run leaves as a folder", () => {
  const files = ["config.json", "onnx", "preprocessor_config.json"];
  const text = (name: string) => readFileSync(at("all", name), "utf8");

  test("with a file that was tried and says what it is, of ONNX's own operators", async () => {
    const forms = "normalise,semantic,instance,panoptic";
    const printed = await exported("--out", at("all"), "--with", forms, "--images", at("photos"));
    expect(printed).toMatchObject({ code: 0, err: "" });
    expect(printed.out).toMatch(
      /tried on 3 images .* largest difference to predict [\d.]+e-[678] .*100\.00 % of the pix/,
    );
    expect(printed.out).toContain("pixel_values: uint8 [batch, height, width, 3]");
    expect(readdirSync(at("all")).sort()).toEqual(files);
    const model = readFileSync(at("all", "onnx", "model.onnx"));
    const { operators, domains } = operatorsOf(model);
    expect(domains).toEqual([""]);
    expect(operators).toEqual(OPERATORS);
    const metadata = metadataOf(model);
    expect(JSON.parse(metadata.get("classes") ?? "")).toEqual(tinyModel("panoptic").classes);
    expect(metadata.get("task")).toBe("panoptic");
    expect(JSON.parse(metadata.get("inference") ?? "")).toMatchObject({ shortEdge: 64, objectThreshold: 0, topK: 10 });
    expect(JSON.parse(metadata.get("images") ?? "")).toMatchObject({ mean: [123.675, 116.28, 103.53], shortEdge: 64 });
    const { mask_jepa: own, ...config } = JSON.parse(text("config.json"));
    expect(config).toMatchObject({ model_type: "maskformer", id2label: { "0": "sky", "3": "cone" } });
    expect(own).toMatchObject({ family: "Mask2Former", values: { semantic: { dtype: "int64" } } });
    expect(JSON.parse(text("preprocessor_config.json"))).toMatchObject({ do_rescale: false, do_normalize: false });
  });

  test("whose answers belong together", async () => {
    const session = await openModel("onnxruntime-node", readFileSync(at("all", "onnx", "model.onnx")));
    const [photo] = readdirSync(at("photos"));
    const { data, width, height } = await readImage(at("photos", photo));
    const outputs = await session.run({ pixel_values: plainTensor("uint8", data, [1, height, width, 3]) });
    expect(outputs.semantic.dims).toEqual([1, height, width]);
    const ids = outputs.panoptic.data as BigInt64Array;
    const labels = outputs.panoptic_labels.data as BigInt64Array;
    const segments = new Set(ids);
    expect(segments.size).toBeGreaterThan(2);
    for (const id of segments) expect(labels[Number(id)], `segment ${id}`)[id === 0n ? "toBe" : "toBeGreaterThan"](-1n);
    const scores = [...(outputs.instance_scores.data as Float32Array)];
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    await session.release();
  });

  test("that transformers.js loads: its logits are the file's, its labels the model's", async () => {
    expect((await exported("--out", at("web"))).code).toBe(0);
    const { AutoModel, AutoProcessor, RawImage, pipeline, env } = installedPackage(
      "@huggingface/transformers",
    ) as Transformers;
    env.allowRemoteModels = false;
    const [photo] = readdirSync(at("photos"));
    const image = await RawImage.read(at("photos", photo));
    const inputs = await (await AutoProcessor.from_pretrained(at("web")))(image);
    const model = await AutoModel.from_pretrained(at("web"));
    const { class_queries_logits: logits, masks_queries_logits: masks } = await model(inputs);
    expect(logits.dims).toEqual([1, 8, 5]);
    expect(masks.dims.slice(-2)).toEqual(inputs.pixel_values.dims.slice(-2).map((side: number) => side / 4));
    const found = await (await pipeline("image-segmentation", at("web")))(image, OPEN);
    expect(found.length).toBeGreaterThan(0);
    for (const { label } of found) expect(["sky", "ground", "tree", "cone"]).toContain(label);
    await model.dispose();
  });

  test("but not over one that is there", async () => {
    expect(await exported("--out", at("all"))).toMatchObject({ code: 1, err: expect.stringContaining("--overwrite") });
    const inside = await exported("--out", at("run", "checkpoints", "web"), "--overwrite");
    expect(inside).toMatchObject({ code: 1, err: expect.stringContaining("which is read") });
  });

  test.each([
    ["far", 1, 1, /outputs up to [\d.]+ % of the largest value off \(0\.\d\d % of the values by more/],
    ["not a number", Number.NaN, 1, /outputs up to NaN % of the largest value off/],
    [
      "slightly, but everywhere",
      0.05,
      1e5,
      /up to 0\.\d\d % of the largest value off \(100\.00 % of the values by more than 0\.01 %\)/,
    ],
  ])("nor where its outputs are off: %s", async (_, by, values, found) => {
    Object.assign(spoil, { by, values });
    const { code, err } = await exported("--out", at("wrong"));
    spoil.by = 0;
    expect(code).toBe(1);
    expect(err).toMatch(/expected a file that gives what predict gives, found/);
    expect(err).toMatch(found);
    expect(existsSync(at("wrong"))).toBe(false);
  });
});

describe("the encoder of a pretraining run", () => {
  beforeAll(async () => {
    const settings = smallestSettings();
    const { encoder } = stepOptions(settings);
    const { weights } = freshWeights(encoderWeights(encoder), 1);
    await saveCheckpoint(at("pretraining"), { step: 1, tensors: { model: weights }, state: {}, keep: 1 });
    writeFileSync(at("pretraining", SETTINGS_FILE), JSON.stringify(settings));
  });
  const exportEncoder = (...args: string[]) =>
    runMain("export", "--checkpoint", at("pretraining"), "--to", "onnx", "--out", at("encoder"), ...args);

  test("gives F_last of images, and no segments", async () => {
    const { code, err } = await exportEncoder("--with", "semantic");
    expect(code).toBe(1);
    expect(err).toMatch(/expected nothing but normalise inside: an encoder, found --with semantic\./);
    const { out } = await exportEncoder();
    expect(out).toContain("mask_features: float32 [batch, 32, map_height, map_width]");
    expect(out).toMatch(/largest difference to predict [\d.]+e-[678] of the largest value$/m);
  });
});

test("weights of 2 GiB and more are refused with the reason", () => {
  const data = { byteLength: 2 ** 31 } as Float32Array;
  const weights = new Map<string, TensorData>([["w", { dtype: "float32", shape: [1], data }]]);
  expect(() => requireRoom(weights, false, "big.pth")).toThrow(/less than 2 GiB: an ONNX file is .* --half/);
  expect(() => requireRoom(weights, true, "big.pth")).not.toThrow();
});

test("a OneFormer's file asks for one task", async () => {
  const settings = smallestOf("oneformer");
  const description = describeModel(settings, { task: "panoptic", classes: tinyModel("panoptic").classes });
  const weights = vividWeights(description.architecture);
  await saveTinyModel(at("joint"), description, weights);
  const exportJoint = (...args: string[]) =>
    runMain("export", "--checkpoint", at("joint"), "--to", "onnx", "--out", at("asked"), ...args);
  const { code, err } = await exportJoint("--with", "semantic,instance");
  expect(code).toBe(1);
  expect(err).toContain("expected panoptic alone: a file asks a OneFormer for one task, found semantic and instance");
  expect((await exportJoint("--with", "instance")).out).toMatch(/asks for instance .*[\s\S]* 100\.00 % of the pixels/);
  const other = await exported("--out", at("never"), "--task", "semantic");
  expect(other.err).toContain("expected a model that is told its task, found a Mask2Former");
});

test.each([
  [["--with", "normalize"], 'found "normalize". Did you mean "normalise"?'],
  [["--with", "semantic,"], "found nothing between commas"],
  [["--opset", "16"], "expected a version from 17 to 21, found 16"],
  [["--size", "100x130"], "multiples of 32 from 32 to 8192, found 100x130. For example 128x160."],
  [["--size", "512"], "For example --size 512x768."],
  [["--format", "torch"], "expected this option with --to canonical, detectron2, huggingface, timm"],
])("%s is refused", async (args, message) => {
  const { code, err } = await exported("--out", at("never"), ...args);
  expect(code).toBe(1);
  expect(err).toContain(message);
  expect(existsSync(at("never"))).toBe(false);
});
