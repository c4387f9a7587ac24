import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TensorData } from "../../src/core/tensor-data.js";
import { FAMILY_NAMES } from "../../src/families/families.js";
import { architectureOf, finetunerOptions } from "../../src/finetune/composition.js";
import { Finetuner } from "../../src/finetune/finetuner.js";
import { PRESETS } from "../../src/finetune/presets.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import type { Runtime } from "../../src/runtime/contract.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { bitsOf } from "../support/bits.js";
import { createFinetuner, numberedClasses, randomBatch, smallestOf, squares } from "../support/tiny-finetuning.js";

/** No object, one, some, and more than the model has queries. */
const COUNTS = [0, 1, 5, 11];

const copyOf = (tensors: ReadonlyMap<string, TensorData>) =>
  new Map([...tensors].map(([name, tensor]) => [name, { ...tensor, data: tensor.data.slice() } as TensorData]));

describe.each(FAMILY_NAMES)("%s", (family) => {
  const runtimes: Runtime[] = [];
  beforeAll(async () => {
    for (const cores of [1, 3]) runtimes.push(await createRuntime({ device: "cpu", cores }));
  });
  afterAll(() => {
    for (const runtime of runtimes) runtime.dispose();
  });
  const settings = smallestOf(family);
  const step = (finetuner: Finetuner, number: number) =>
    finetuner.step(
      number,
      randomBatch(settings, number),
      COUNTS.map((count) => squares(settings, count)),
    );

  test("goes on from a stored state on another number of cores as if it had never stopped, bit for bit", async () => {
    const [single, several] = runtimes;
    const unbroken = await createFinetuner(single, settings);
    await step(unbroken, 0);
    const { model, optimizer } = await unbroken.state();
    const stored = { model: copyOf(model), target: new Map(), optimizer: copyOf(optimizer) };
    const second = await step(unbroken, 1);
    const resumed = await Finetuner.create(
      several,
      finetunerOptions(settings, numberedClasses(3), settings.run.steps as number),
      async () => stored,
    );
    expect(await step(resumed, 1)).toEqual(second);
    const bits = async (finetuner: Finetuner) => {
      const state = await finetuner.state();
      return { model: bitsOf(state.model), optimizer: bitsOf(state.optimizer) };
    };
    expect(await bits(resumed)).toEqual(await bits(unbroken));
    expect(second.losses.loss).toBeGreaterThan(0);
    for (const finetuner of [unbroken, resumed]) finetuner.dispose();
  });

  test("predicts with weights that training has, from a description that was stored as text", () => {
    const architecture = architectureOf(settings, 3);
    const { weights } = buildTraining(architecture, 1, [64, 64]);
    const needed = inferenceWeights(JSON.parse(JSON.stringify(architecture)));
    for (const [name, shape] of needed) expect(weights.declarations.get(name)?.shape, name).toEqual(shape);
    expect(weights.trained.filter((name) => name.startsWith("backbone.")).length).toBeGreaterThan(0);
  });

  test("predicts masks from features of a width of their own where model.maskDim says so", () => {
    const shapes = inferenceWeights(architectureOf(smallestOf(family, "model.maskDim=12"), 3));
    expect(shapes.get("sem_seg_head.pixel_decoder.mask_features.weight")?.slice(0, 2)).toEqual([12, 32]);
    expect(shapes.get("sem_seg_head.predictor.mask_embed.layers.2.weight")).toEqual([12, 32]);
  });

  test("its presets hold to the schema, and state their own family", () => {
    const names = Object.keys(PRESETS).filter((name) => name.startsWith(`${family}-`));
    expect(names.length).toBeGreaterThan(0);
    for (const preset of names) {
      const resolved = resolveSettings({ preset });
      expect(resolved).toEqual(PRESETS[preset]);
      expect(resolved.model.family).toBe(family);
    }
  });
});
