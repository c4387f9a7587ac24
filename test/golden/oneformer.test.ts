import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { floats, type TensorData } from "../../src/core/tensor-data.js";
import type { Architecture } from "../../src/families/families.js";
import { oneFormer, TASK_LENGTH, taskInput } from "../../src/families/oneformer.js";
import type { DrawnBatch } from "../../src/families/training.js";
import { normalisersOf } from "../../src/finetune/criterion-options.js";
import { Segmentation } from "../../src/finetune/segmentation.js";
import { textValues } from "../../src/models/text-inputs.js";
import { clipVocabulary, endOf, tokensOf } from "../../src/models/text-tokens.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { reportDifferences } from "../support/tensor-comparison.js";
import { TOLERANCES } from "../support/tolerances.js";
import { type GoldenCase, loadCase } from "./case.js";
import { drawsOf, type Scene, targetsOf } from "./criterion-case.js";
import { tasksOf } from "./oneformer-models.js";
import { imagesOf, WHOLE_MODELS, weightsOf } from "./whole-model.js";
import { predictionsOf } from "./whole-predictions.js";

const { name, backbone, size } = WHOLE_MODELS.oneformer;

describe(`a whole official OneFormer: ${name}`, async () => {
  const golden = await loadCase(name);
  const tasks = tasksOf(golden, "tasks");
  const targets = targetsOf(golden.explicit<Scene>("targets"));
  const images = imagesOf(golden, golden.hyper.pixel_mean as number[], golden.hyper.pixel_std as number[], size);
  const own = golden.hyper.weights as Record<"ce" | "mask" | "dice" | "contrastive", number>;
  const criterion = {
    points: golden.setting("num_points"),
    oversampling: 3,
    importance: 0.75,
    noObject: 0.1,
    weights: { class: own.ce, mask: own.mask, dice: own.dice },
  };
  const weights = weightsOf(golden);
  const architecture = architectureOf(golden);
  const draws = (outputs: number, pairs: readonly number[]) => drawsOf(golden, outputs, pairs);
  let runtime: Runtime;
  beforeAll(async () => {
    runtime = await createRuntime({ device: "cpu", cores: 2 });
  });
  afterAll(() => runtime.dispose());

  test("predictions for a task each, and who is matched to whom", async () => {
    const condition = floats([2, TASK_LENGTH], taskInput(tasks));
    const batch = { architecture, weights, images, size, targets, own: new Map([["task", condition]]) };
    const { values, matches } = await predictionsOf(runtime, batch, criterion, draws);
    const stored = golden.results.filter(({ name }) => name.startsWith("eval/"));
    const found = stored.flatMap((result) => golden.compare(result, values.get(result.name.slice("eval/".length))!));
    expect(found.length).toBeGreaterThan(0);
    expect(reportDifferences(found, TOLERANCES.cpu.parity)).toBe("");
    for (const [key, numbers] of matches) expect(numbers, key).toEqual(Array.from(golden.stored(key), Number));
    expect(matches.size).toBe(golden.results.filter(({ name }) => name.startsWith("match/")).length);
  });

  test("losses of predictions and texts, and their gradients, with no more tokens than the texts have", async () => {
    const texts = golden.explicit<string[][]>("texts");
    const vocabulary = await clipVocabulary();
    const longest = Math.max(...texts.flat().map((text) => 1 + endOf(tokensOf(text, 77, vocabulary))));
    const trained = { ...architecture, texts: { ...architecture.texts, longest } };
    const { queries, classes } = architecture.transformerDecoder;
    const sizes = { images: 2, rows: texts[0].length, different: classes + 3, length: longest };
    const drawn: DrawnBatch = {
      objects: targets,
      given: new Map(),
      inputs: () =>
        new Map<string, TensorData["data"]>([["task", taskInput(tasks)], ...textValues(texts, sizes, vocabulary)]),
    };
    const counts = targets.map(({ length }) => length);
    const objective = await Segmentation.create(runtime, { architecture: trained, criterion, microBatch: 2, size });
    const allocated = (shape: readonly number[]) => runtime.allocate("float32", shape);
    const online = new Map([...weights].map(([key, { shape }]) => [key, allocated(shape)]));
    for (const [key, tensor] of online) await tensor.write(weights.get(key) as TensorData<"float32">);
    const gradients = new Map(objective.weights.trained.map((key) => [key, allocated(weights.get(key)!.shape)]));
    const lane = objective.openLane();
    const { losses } = await lane.run(
      {
        step: 0,
        first: 0,
        batch: {
          images,
          drawn,
          normalisers: new Map([["", normalisersOf(counts, queries, criterion.noObject)]]),
          draws: () => draws(architecture.transformerDecoder.layers + 1, counts),
        },
      },
      { online, target: new Map() },
      gradients,
    );
    const found = new Map<string, Float32Array>();
    let total = 0;
    for (const [key, value] of losses) {
      const weighted = value * own[key.split("_")[1] as keyof typeof own];
      total += weighted;
      found.set(`weighted_loss/${key}`, Float32Array.of(weighted));
    }
    found.set("total_loss", Float32Array.of(total));
    for (const [key, tensor] of gradients) found.set(`grad/${key}`, (await tensor.read()).data as Float32Array);
    const wanted = golden.results.filter(({ name }) => !/^(eval|match)\//.test(name));
    expect(wanted.map(({ name }) => name).filter((key) => !found.has(key))).toEqual([]);
    const compared = wanted.flatMap((result) => golden.compare(result, found.get(result.name)!));
    expect(reportDifferences(compared, TOLERANCES.cpu.parity)).toBe("");
    expect([...losses.keys()].map((key) => `weighted_loss/${key}`).sort()).toEqual(
      wanted
        .map(({ name }) => name)
        .filter((key) => key.startsWith("weighted_loss/"))
        .sort(),
    );
    lane.dispose();
    objective.dispose();
  });
});

function architectureOf(golden: GoldenCase): Architecture & { readonly family: "oneformer" } {
  const { setting } = golden;
  const hiddenDim = setting("hidden_dim");
  return {
    family: oneFormer.name as "oneformer",
    backbone,
    pixelDecoder: {
      hiddenDim,
      maskDim: hiddenDim,
      heads: 8,
      points: 4,
      layers: setting("enc_layers_pixel_decoder"),
      feedForwardDim: 1024,
      normGroups: 32,
    },
    transformerDecoder: {
      hiddenDim,
      maskDim: hiddenDim,
      queries: setting("num_queries"),
      layers: setting("dec_layers"),
      classes: setting("num_classes"),
      heads: 8,
      feedForwardDim: setting("dim_feedforward"),
    },
    classTransformer: { layers: setting("class_dec_layers") },
    dropout: 0,
    texts: {
      width: setting("text_width"),
      layers: setting("text_layers"),
      length: 77,
      context: setting("n_ctx"),
      weight: 0.5,
      temperature: 0.07,
    },
  };
}
