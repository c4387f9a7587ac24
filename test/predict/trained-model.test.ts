import { join } from "node:path";
import { expect, test } from "vitest";
import { loadTrainedModel, saveTrainedModel } from "../../src/index.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { tinyModel, tinyWeights } from "../support/tiny-model.js";

test("a model that is saved from code is read as it was, from the folder and from its checkpoint", async () => {
  const folder = join(temporaryDirectory(), "models", "a");
  const model = { ...tinyModel("panoptic"), weights: tinyWeights() };
  await saveTrainedModel(folder, { ...model, weights: new Map() }, 1);
  const checkpoint = await saveTrainedModel(folder, model, 7);
  for (const path of [folder, checkpoint]) {
    const loaded = await loadTrainedModel(path);
    expect({ ...loaded, weights: undefined }).toEqual({ ...model, weights: undefined, checkpoint, step: 7 });
    expect([...loaded.weights.keys()].sort()).toEqual([...model.weights.keys()].sort());
    for (const [name, { shape, data }] of model.weights) {
      expect(loaded.weights.get(name)).toMatchObject({ shape });
      expect(loaded.weights.get(name)?.data).toEqual(data);
    }
  }
});
