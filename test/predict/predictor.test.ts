import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IMAGENET_MEAN, IMAGENET_STD } from "../../src/core/colour-statistics.js";
import { InputError } from "../../src/core/errors.js";
import type { Image } from "../../src/core/image.js";
import { RandomStream } from "../../src/core/random.js";
import { IGNORED, TASKS } from "../../src/masks/segmentation.js";
import { asConstants, asInputs } from "../../src/nn/scope.js";
import { toOnnx } from "../../src/onnx/emit.js";
import { inferenceGraph, inferenceWeights } from "../../src/predict/model-graph.js";
import { groupByPaddedSize, Predictor } from "../../src/predict/predictor.js";
import type { DeviceTensor, Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { architectureOf, type DecoderConfig } from "../golden/architecture.js";
import { loadCase } from "../golden/case.js";
import { reportDifferences } from "../support/tensor-comparison.js";
import { tinyModel, tinyWeights } from "../support/tiny-model.js";
import { TOLERANCES } from "../support/tolerances.js";

let runtime: Runtime;
beforeAll(async () => {
  runtime = await createRuntime({ device: "cpu", cores: 2 });
});
afterAll(() => runtime.dispose());

const ALL = new Set(TASKS);

function photo(width: number, height: number, index = 0): Image {
  const random = new RandomStream({ seed: 3, purpose: "photo", sample: index });
  const [fx, fy] = [random.uniform(0.05, 0.3), random.uniform(0.05, 0.3)];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    return 127 + 120 * Math.sin(fx * x + fy * y + (i % 3));
  });
  return { width, height, data };
}

async function upload(weights: ReturnType<typeof tinyWeights>): Promise<Map<string, DeviceTensor<"float32">>> {
  const tensors = new Map<string, DeviceTensor<"float32">>();
  for (const [name, value] of weights) {
    const tensor = runtime.allocate("float32", value.shape);
    await tensor.write(value);
    tensors.set(name, tensor);
  }
  return tensors;
}

describe("the network", async () => {
  const golden = await loadCase("07_full_mask2former_r50");
  const architecture = architectureOf(golden.hyper.config as DecoderConfig, {
    kind: "resnet50",
    stemChannels: 64,
    stageBlocks: [3, 4, 6, 3],
    stageChannels: [256, 512, 1024, 2048],
    norm: "batch", // of training: inference takes the running statistics
  });
  const size = { width: 96, height: 64 };

  /** Image i, normalised and padded with zeros to the size of the batch. */
  function planesOf(i: number): Float32Array {
    const shape = golden.shapes.get(`image.${i}`)!;
    const [, h, w] = shape;
    const { data } = golden.values(`image.${i}`, shape);
    return Float32Array.from({ length: 3 * size.height * size.width }, (_, at) => {
      const [c, y, x] = [
        Math.floor(at / (size.height * size.width)),
        Math.floor(at / size.width) % size.height,
        at % size.width,
      ];
      return y < h && x < w ? (data[(c * h + y) * w + x] - IMAGENET_MEAN[c]) / IMAGENET_STD[c] : 0;
    });
  }

  test.each(["constants", "inputs"])("agrees with the official code, weights as %s", async (binding) => {
    const weights = new Map(
      Array.from(inferenceWeights(architecture), ([name, shape]) => [name, golden.values(name, shape)] as const),
    );
    const graph = inferenceGraph(architecture, size, (graph) =>
      binding === "constants" ? asConstants(graph, weights) : asInputs(graph),
    );
    const program = await runtime.compile(toOnnx(graph), { name: "golden", frozenWeights: true });
    const feeds: Record<string, DeviceTensor> = binding === "inputs" ? Object.fromEntries(await upload(weights)) : {};
    const image = runtime.allocate("float32", [1, 3, size.height, size.width]);
    const logits = runtime.allocate("float32", [1, 10, 8]);
    const masks = runtime.allocate("float32", [1, 10, 16, 24]);
    const found = { logits: [] as number[], masks: [] as number[] };
    for (const i of [0, 1]) {
      await image.write({ dtype: "float32", shape: image.shape, data: planesOf(i) });
      await program.run({ ...feeds, image }, { logits, masks });
      found.logits.push(...logits.data!);
      found.masks.push(...masks.data!);
    }
    const compare = (name: string, values: number[]) =>
      golden.compare(golden.results.find((result) => result.name === name)!, Float32Array.from(values));
    const comparisons = [...compare("eval/pred_logits", found.logits), ...compare("eval/pred_masks", found.masks)];
    expect(reportDifferences(comparisons, TOLERANCES.cpu.parity)).toBe("");
    for (const tensor of [image, logits, masks, ...Object.values(feeds)]) tensor.dispose();
    program.dispose();
  });
});

describe("a predictor", () => {
  test.each(TASKS)("of a %s model segments in every form, at the image's own size", async (task) => {
    const predictor = await Predictor.create(runtime, tinyModel(task), { weights: tinyWeights() });
    const { semantic, panoptic, instances, confidence, keptShare } = await predictor.predict(photo(70, 45), ALL);
    for (const map of [semantic!, panoptic!]) expect([map.width, map.height]).toEqual([70, 45]);
    expect(semantic!.labels.length).toBe(70 * 45);
    expect(semantic!.labels.includes(IGNORED)).toBe(false);
    expect(panoptic!.segments.length).toBeGreaterThan(0);
    expect(instances!.length).toBeLessThanOrEqual(10);
    const scores = instances!.map(({ score }) => score);
    expect(scores).toEqual(scores.toSorted((a, b) => b - a));
    for (const { mask, label } of instances!) {
      expect([mask.width, mask.height]).toEqual([70, 45]);
      if (task === "panoptic") expect(label).toBeGreaterThanOrEqual(2);
    }
    expect(confidence).toBeGreaterThan(0.2);
    expect(await predictor.predict(photo(70, 45), new Set(["panoptic"] as const))).toEqual({
      panoptic,
      confidence,
      keptShare,
    });
    await predictor.dispose();
  });

  test("gives several images at once what it gives them one by one", async () => {
    const images = [photo(64, 64, 1), photo(96, 64, 2), photo(64, 64, 3), photo(31, 90, 4), photo(64, 64, 5)];
    const predictor = await Predictor.create(runtime, tinyModel("panoptic"), {
      weights: tinyWeights(),
      concurrency: 2,
    });
    const together = await Promise.all(images.map((image) => predictor.predict(image, ALL)));
    for (const [i, image] of images.entries()) expect(await predictor.predict(image, ALL)).toEqual(together[i]);
    expect(together[0]).not.toEqual(together[2]);
    await predictor.dispose();
  });

  test("sees the current values of live weights", async () => {
    const live = await upload(tinyWeights());
    const [fixed, other, following] = await Promise.all(
      [tinyWeights(), tinyWeights(1), live].map((weights) =>
        Predictor.create(runtime, tinyModel("semantic"), { weights }),
      ),
    );
    const image = photo(64, 64);
    const forms = new Set(["semantic"] as const);
    const [first, second] = [await fixed.predict(image, forms), await other.predict(image, forms)];
    expect(first.semantic).not.toEqual(second.semantic);
    expect((await following.predict(image, forms)).semantic).toEqual(first.semantic);
    for (const [name, value] of tinyWeights(1)) await live.get(name)!.write(value);
    expect((await following.predict(image, forms)).semantic).toEqual(second.semantic);
    for (const predictor of [fixed, other, following]) await predictor.dispose();
    for (const tensor of live.values()) tensor.dispose();
  });

  test("keeps no more networks than it may, and gives all of them back", async () => {
    const open = new Set<string>();
    let compiled = 0;
    const counting: Runtime = {
      ...runtime,
      async compile(model, options) {
        const program = await runtime.compile(model, options);
        const key = `${options?.name} ${compiled++}`;
        if (options?.name?.startsWith("inference")) open.add(key);
        return {
          ...program,
          dispose() {
            open.delete(key);
            program.dispose();
          },
        };
      },
    };
    const predictor = await Predictor.create(counting, tinyModel("semantic"), { weights: tinyWeights(), programs: 2 });
    const forms = new Set(["semantic"] as const);
    for (const width of [64, 96, 70, 96]) await predictor.predict(photo(width, 64), forms);
    expect(open.size).toBe(2);
    expect(compiled).toBe(2 + 1); // 64x64; 96x64 for both others; the scorer
    await predictor.predict(photo(64, 96), forms);
    expect([...open].map((key) => key.split(" ")[1])).toEqual(["96x64", "64x96"]);
    await predictor.dispose();
    expect(open.size).toBe(0);
  });

  test("says so when the weights have diverged", async () => {
    const weights = tinyWeights();
    weights.get("sem_seg_head.predictor.decoder_norm.bias")!.data.fill(Number.NaN);
    const predictor = await Predictor.create(runtime, tinyModel("semantic"), { weights });
    await expect(predictor.predict(photo(64, 64), ALL)).rejects.toThrow("diverged");
    await predictor.dispose();
  });

  test("refuses weights of another model by name", async () => {
    const weights = tinyWeights();
    weights.delete("sem_seg_head.predictor.class_embed.bias");
    await expect(Predictor.create(runtime, tinyModel("semantic"), { weights })).rejects.toThrow(InputError);
    await expect(Predictor.create(runtime, tinyModel("semantic"), { weights })).rejects.toThrow(
      "sem_seg_head.predictor.class_embed.bias",
    );
  });
});

test("images are grouped by the size at which the network sees them", () => {
  const sizes = [
    [640, 480],
    [480, 640],
    [320, 240],
    [641, 480],
  ].map(([width, height]) => ({ width, height }));
  expect(groupByPaddedSize(sizes, { shortEdge: 480, longEdge: 1333 })).toEqual([[0, 2], [1], [3]]);
});
