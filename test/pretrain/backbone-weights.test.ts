import { join } from "node:path";
import { expect, test } from "vitest";
import type { TensorData } from "../../src/core/tensor-data.js";
import { saveWeights } from "../../src/export/save-weights.js";
import type { TargetName } from "../../src/export/target.js";
import { initialValue } from "../../src/nn/scope.js";
import { weightsOptions } from "../../src/pretrain/composition.js";
import type { PretrainSettings } from "../../src/pretrain/settings.js";
import { resolveSettings } from "../../src/pretrain/settings-resolution.js";
import { backboneDeclarations, startingWeights } from "../../src/pretrain/starting-weights.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { SMALLEST, smallestSwinSettings } from "../support/tiny-pretraining.js";

const resnetSettings = (...sets: readonly string[]) =>
  resolveSettings({ preset: "tiny", sets: [...SMALLEST, "model.norm=frozen", ...sets] });

/** The backbone's weights from another seed than the run's. */
function otherWeights(settings: PretrainSettings): Map<string, TensorData> {
  const declared = backboneDeclarations(weightsOptions(settings).encoder);
  return new Map([...declared].map(([name, declaration]) => [name, initialValue(declaration, 77)]));
}

test.each<[string, TargetName, string, typeof resnetSettings]>([
  ["timm's ResNet", "timm", ".pth", resnetSettings],
  ["detectron2's ResNet", "detectron2", ".pkl", resnetSettings],
  ["Hugging Face's ResNet", "huggingface", ".safetensors", resnetSettings],
  ["Mask2Former's Swin", "detectron2", ".pkl", smallestSwinSettings],
  ["timm's Swin", "timm", ".pth", smallestSwinSettings],
  ["Hugging Face's Swin", "huggingface", ".safetensors", smallestSwinSettings],
])("pretraining starts from %s", async (_, to, suffix, settingsOf) => {
  const file = join(temporaryDirectory(), `backbone${suffix}`);
  const weights = otherWeights(settingsOf());
  await saveWeights(file, weights, { to, source: "test" });
  const start = await startingWeights(weightsOptions(settingsOf(`backbone.weights=${file}`)), new Map());
  for (const [name, { data }] of weights) expect(start.get(name)?.data, name).toEqual(data);
});

test("a backbone of another size is refused with all that differs", async () => {
  const file = join(temporaryDirectory(), "backbone.pth");
  await saveWeights(file, otherWeights(resnetSettings()), { to: "timm", source: "test" });
  const wider = resnetSettings("model.stageChannels=[16,32,64,128]", `backbone.weights=${file}`);
  await expect(startingWeights(weightsOptions(wider), new Map())).rejects.toThrow(
    /of another shape:[\s\S]*backbone\.res2\.0\.conv1\.weight: model \[4,8,1,1\], file \[2,8,1,1\]/,
  );
});
