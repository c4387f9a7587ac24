import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadWeights } from "../../src/checkpoint/load-weights.js";
import { zeros } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import { modelConfig, settingsText } from "../../src/export/huggingface-config.js";
import { describeModel } from "../../src/finetune/composition.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { inferenceWeights } from "../../src/predict/model-graph.js";
import { saveTrainedModel } from "../../src/predict/trained-model.js";
import { nameList } from "../support/name-lists.js";
import { temporaryDirectory } from "../support/temporary-directory.js";

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
    const classes = [{ id: 1, name: "cone", isThing: true, color: [1, 2, 3] as const }];
    const model = describeModel(settings, { task: "instance", classes });
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

  test.each(["small", "scenes", "camvid"])("every export takes a model of the preset %s", async (preset) => {
    const classes = [{ id: 1, name: "cone", isThing: true, color: [1, 2, 3] as const }];
    const model = describeModel(resolveSettings({ preset }), { task: "instance", classes });
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
