import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import { FAMILY_NAMES } from "../../src/families/families.js";
import { describeModel } from "../../src/finetune/composition.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { readImage } from "../../src/io/image-file.js";
import { Predictor } from "../../src/predict/predictor.js";
import { loadTrainedModel, saveTrainedModel, type TrainedModel } from "../../src/predict/trained-model.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import type { ModelDescription } from "../../src/weights/model-description.js";
import { freshWeights } from "../../src/weights/starting-weights.js";
import { dataFolder } from "../support/data-folders.js";
import { writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { smallestOf } from "../support/tiny-finetuning.js";
import { vividWeights } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-each-family-"));
const at = (...names: string[]) => join(folder, ...names);
const runtime = await createRuntime({ device: "cpu", cores: 1 });
afterAll(() => {
  runtime.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const NAMES = ["person", "car", "sky", "road"];
/** Another order, with one that is new and without one that was there. */
const OTHERS = ["sky", "my-thing", "person", "road"];
const NO_OBJECT = 4;

beforeAll(async () => {
  const data = dataFolder(at("data"));
  await writeImages(at("data", "images"), 2);
  const grid = Array.from({ length: 72 }, (_, y) =>
    Array.from({ length: 80 }, (_, x) => (x > 40 ? 1 : 0) + (y > 40 ? 2 : 0)),
  );
  for (const name of ["000", "001"]) data.labels(`labels/${name}.png`, grid);
  data.yaml("data.yaml", { classes: OTHERS, train: { images: "images", semantic: "labels" } });
});

/** Bits of a row of a tensor of any rank. */
function rowBits({ shape, data }: TensorData, row: number): number[] {
  const width = data.length / shape[0];
  const values = (data as Float32Array).slice(row * width, (row + 1) * width);
  return [...new Uint32Array(values.buffer)];
}

async function answerOf(model: TrainedModel) {
  const predictor = await Predictor.create(runtime, model, { weights: model.weights });
  const answer = await predictor.predict(await readImage(at("data", "images", "000.png")), new Set(["semantic"]));
  await predictor.dispose();
  return answer;
}

const FORMATS = [
  { name: "huggingface", to: "huggingface", form: "torch" },
  { name: "model.pkl", to: "detectron2", form: "pickle" },
] as const;

/** All that training has, which is more than predicting needs. */
function trainedWeights({ architecture }: ModelDescription): Map<string, TensorData> {
  const { declarations } = buildTraining(architecture, 1, [64, 64]).weights;
  return new Map([...freshWeights(declarations, 0).weights, ...vividWeights(architecture)]);
}

test.each(FAMILY_NAMES)(
  "a %s in the formats of others predicts, learns other classes, and leaves again",
  async (family) => {
    const sets = ["model.hiddenDim=64", "model.normGroups=32", "model.heads=8", "decoder.queries=8"];
    const own = family === "maskformer" ? ["model.encoderLayers=0"] : [];
    const texts = family === "oneformer" ? ["model.contrastiveWeight=0"] : []; // their encoder has a large vocabulary
    const described = describeModel(smallestOf(family, ...sets, ...own, ...texts), {
      task: "semantic",
      classes: NAMES.map((name, id) => ({ id, name, isThing: id < 2, color: [id, 2, 3] as const })),
    });
    const model = { ...described, weights: trainedWeights(described) };
    const run = await saveTrainedModel(at(family, "run"), model, 5);
    const { inference } = model;
    const expected = await answerOf(model);
    for (const { name, to, form } of FORMATS) {
      await exportModel({ checkpoint: run, to, form, out: at(family, name) });
      const read = await loadTrainedModel(at(family, name));
      // Files of others say nothing of sizes, or of how the model is to be used.
      expect(await answerOf({ ...read, task: "semantic", inference }), name).toEqual(expected);
    }

    const tuned = at(family, "tuned");
    const training = [
      "data.crop=[64,64]",
      "criterion.points=64",
      "run.batch=2",
      "run.steps=1",
      "optim.lr=1e-30",
      ...texts,
    ];
    const { code, err, out } = await runMain(
      ...[
        "finetune",
        "--data",
        at("data", "data.yaml"),
        "--from",
        at(family, "huggingface"),
        "--classes",
        "same-names",
      ],
      ...["--out", tuned, "--cores", "1", ...training.flatMap((set) => ["--set", set])],
    );
    expect(`${err}${code}`).toBe("0");
    expect(out).toContain("Rows of 3 classes of the same name taken over: sky, person, road.");
    await exportModel({ checkpoint: tuned, to: "huggingface", out: at(family, "again") });
    const again = await loadTrainedModel(at(family, "again"));
    expect(again.classes.map(({ name }) => name)).toEqual(OTHERS);
    const { tensors } = await loadCheckpoint(tuned, { parts: ["model"] });
    for (const kind of ["weight", "bias"]) {
      const name = `sem_seg_head.predictor.class_embed.${kind}`;
      const before = model.weights.get(name) as TensorData;
      for (const after of [tensors.model, again.weights].map((weights) => weights.get(name) as TensorData)) {
        for (const [row, kept] of OTHERS.entries()) {
          if (!NAMES.includes(kept)) continue;
          expect(rowBits(after, row), kept).toEqual(rowBits(before, NAMES.indexOf(kept)));
        }
        expect(rowBits(after, OTHERS.length)).toEqual(rowBits(before, NO_OBJECT));
      }
    }
  },
);
