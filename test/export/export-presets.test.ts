import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadWeights } from "../../src/checkpoint/load-weights.js";
import { zeros } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import { modelConfig, settingsText } from "../../src/export/huggingface-config.js";
import { describeSaved } from "../../src/export/save-weights.js";
import { describeModel } from "../../src/finetune/composition.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import { loadTrainedModel, saveTrainedModel } from "../../src/predict/trained-model.js";
import { freshWeights } from "../../src/weights/starting-weights.js";
import { nameList } from "../support/name-lists.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

const CONE = { id: 1, name: "cone", isThing: true, color: [1, 2, 3] as const };

describe("numbers of the training in the configuration for Hugging Face", () => {
  const shapes = nameList("mask2former-swin-tiny");
  const criterion = {
    weights: { class: 1.5, mask: 3, dice: 4.5 },
    noObject: 0.25,
    points: 4321,
    oversampling: 2,
    importance: 0.5,
  };

  test("are the run's", () => {
    const config = modelConfig(shapes, "run", { criterion, dropPath: 0.15 });
    expect(config).toMatchObject({
      class_weight: 1.5,
      mask_weight: 3,
      dice_weight: 4.5,
      no_object_weight: 0.25,
      train_num_points: 4321,
      oversample_ratio: 2,
      importance_sample_ratio: 0.5,
      backbone_config: { drop_path_rate: 0.15 },
    });
    // Floats for Python.
    for (const text of ['"mask_weight": 3.0', '"oversample_ratio": 2.0']) expect(settingsText(config)).toContain(text);
  });

  test("are left out where nobody knows them", () => {
    const config = modelConfig(shapes, "file");
    const stated = Object.keys(config).filter((key) => /weight|ratio|points|ignore|init_|auxiliary_loss/.test(key));
    expect(stated).toEqual([]);
    expect(config.backbone_config).not.toHaveProperty("drop_path_rate");
  });

  test("of a run of the default preset come from its settings, its export is taken, and 'no object' has its weight", async () => {
    const settings = resolveSettings({
      preset: "small",
      sets: ["criterion.points=99", "criterion.noObject=0.3", "criterion.diceWeight=2"],
    });
    const model = describeModel(settings, { task: "instance", classes: [CONE] });
    const weights = new Map(
      [...inferenceWeights(model.architecture)].map(([name, shape]) => [name, zeros("float32", shape)]),
    );
    const run = await saveTrainedModel(join(temporaryDirectory(), "run"), { ...model, weights }, 5);
    const out = join(temporaryDirectory(), "huggingface");
    await exportModel({ checkpoint: run, to: "huggingface", out });
    const config = JSON.parse(readFileSync(join(out, "config.json"), "utf8"));
    expect(config).toMatchObject({
      train_num_points: 99,
      no_object_weight: 0.3,
      dice_weight: 2,
      num_attention_heads: 4,
    });
    const { tensors } = await loadWeights(join(out, "model.safetensors"));
    expect([...(tensors.get("criterion.empty_weight")!.data as Float32Array)]).toEqual([1, Math.fround(0.3)]);
  });

  test("an MP-Former becomes the Mask2Former whose queries have positions of zero, and what is left out is told", async () => {
    const settings = resolveSettings({ sets: ["model.family=mp-former"] });
    const model = describeModel(settings, { task: "instance", classes: [CONE] });
    const { declarations } = buildTraining(model.architecture, 1, [64, 64]).weights;
    const run = await saveTrainedModel(
      join(temporaryDirectory(), "run"),
      { ...model, ...freshWeights(declarations, 0) },
      5,
    );
    const out = join(temporaryDirectory(), "huggingface");
    const saved = await exportModel({ checkpoint: run, to: "huggingface", out });
    expect(describeSaved(saved)).toContain("left out: sem_seg_head.predictor.label_enc.weight");
    expect(describeSaved(saved)).toContain("An MP-Former is a Mask2Former to transformers");
    const read = await loadTrainedModel(out);
    expect(read.architecture.family).toBe("mask2former");
    expect(read.inference).toEqual(model.inference);
    const twin = describeModel(resolveSettings({}), { task: "instance", classes: [CONE] });
    for (const name of inferenceWeights(twin.architecture).keys()) expect([...read.weights.keys()]).toContain(name);
    const positions = read.weights.get("sem_seg_head.predictor.query_embed.weight");
    expect(positions?.shape).toEqual([100, 64]);
    expect(new Set(positions?.data as Float32Array)).toEqual(new Set([0]));
    const official = join(temporaryDirectory(), "official.pkl");
    await exportModel({ checkpoint: run, to: "detectron2", out: official });
    expect((await loadTrainedModel(official)).architecture.family).toBe("mp-former");
  });

  test.each(["small", "scenes", "camvid"])("every export takes a model of the preset %s", async (preset) => {
    const model = describeModel(resolveSettings({ preset }), { task: "instance", classes: [CONE] });
    const weights = new Map(
      [...inferenceWeights(model.architecture)].map(([name, shape]) => [name, zeros("float32", shape)]),
    );
    const run = await saveTrainedModel(join(temporaryDirectory(), "run"), { ...model, weights }, 5);
    for (const to of ["huggingface", "detectron2", "timm", "canonical"] as const) {
      const suffix = to === "detectron2" ? ".pkl" : to === "huggingface" ? "" : ".safetensors";
      await exportModel({ checkpoint: run, to, out: join(temporaryDirectory(), `model${suffix}`) });
    }
  });
});
