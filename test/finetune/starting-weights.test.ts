import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { exportModel } from "../../src/export/export-model.js";
import type { ClassRule } from "../../src/finetune/class-rows.js";
import { architectureOf, segmentationOptions } from "../../src/finetune/composition.js";
import { buildTraining } from "../../src/finetune/programs.js";
import { runFinetuning } from "../../src/finetune/run.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { weightsFrom } from "../../src/finetune/starting-weights.js";
import { describeStart } from "../../src/weights/starting-weights.js";
import { bitsOf } from "../support/bits.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { smallestFinetuning, writeScenes } from "../support/tiny-finetuning.js";
import { saveTinyModel, tinyModel, tinyWeights } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-start-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The tiny model of 4 classes has 2 points a head and level. */
const SETS = ["model.points=2"];
const stored = tinyWeights();
const NAMES = tinyModel("panoptic").classes.map(({ name }) => name); // sky, ground, tree, cone
const head = (kind: "weight" | "bias") => `sem_seg_head.predictor.class_embed.${kind}`;
const run = join(folder, "run");
beforeAll(() => saveTinyModel(run, tinyModel("panoptic"), stored));

async function startOf(classes: readonly string[], classRule: ClassRule, location = run, ...sets: string[]) {
  const settings = smallestFinetuning(...SETS, ...sets);
  const { weights } = buildTraining(architectureOf(settings, classes.length), 1, [64, 64]);
  const parts = settings.from.parts;
  const options = { location, parts, family: settings.model.family, classes, classRule, seed: 3 };
  const start = await weightsFrom(options, weights.declarations);
  return { start, text: describeStart(start, settings.model.family) };
}

const rowOf = ({ shape, data }: TensorData, row: number) => {
  const length = data.length / shape[0];
  return [...(data as Float32Array).slice(row * length, (row + 1) * length)];
};

describe("weights of classes", () => {
  test("go over where the classes are the same, and start fresh where their order or number is another", async () => {
    const same = await startOf(NAMES, "same");
    expect(bitsOf(same.start.weights)).toEqual(bitsOf(stored));
    expect(same.start.fresh).toEqual([]);
    for (const others of [[...NAMES].reverse(), NAMES.slice(0, 3)]) {
      const { start, text } = await startOf(others, "same");
      expect(start.fresh).toEqual([head("weight"), head("bias")]);
      expect(start.leftBehind).toEqual([head("weight"), head("bias")]);
      expect(text).toContain("Fresh, 2 weights:\n  sem_seg_head.predictor.class_embed (2)");
      expect(text).toMatch(/--classes same-names keeps the rows of [34] \(sky, |--classes same-names .*\(cone, /);
    }
    expect((await startOf(NAMES, "fresh")).start.fresh).toHaveLength(2);
  });

  test("go over to a family that has rows of its own for classes in training", async () => {
    const { start, text } = await startOf(NAMES, "same", run, "model.family=mp-former");
    expect(start.fresh).toEqual(["sem_seg_head.predictor.label_enc.weight"]);
    expect(start.weights.get(head("weight"))).toEqual(stored.get(head("weight")));
    expect(text).toContain("Fresh, 1 weight:");
    expect(text).not.toContain("classes");
    const other = await startOf([...NAMES].reverse(), "same", run, "model.family=mp-former");
    expect(other.start.fresh).toHaveLength(3);
  });

  test("keep the rows of classes of the same name bit for bit, and that of no object", async () => {
    const { start, text } = await startOf(["cone", "my-thing", "sky"], "same-names");
    const fresh = (await startOf(["cone", "my-thing", "sky"], "fresh")).start;
    for (const kind of ["weight", "bias"] as const) {
      const [own, were] = [start.weights.get(head(kind))!, stored.get(head(kind))!];
      expect(own.shape[0]).toBe(4);
      expect(rowOf(own, 0)).toEqual(rowOf(were, 3));
      expect(rowOf(own, 1)).toEqual(rowOf(fresh.weights.get(head(kind))!, 1));
      expect(rowOf(own, 2)).toEqual(rowOf(were, 0));
      expect(rowOf(own, 3)).toEqual(rowOf(were, 4));
    }
    expect(text).toContain("Rows of 2 classes of the same name taken over: cone, sky. Fresh rows of 1 class: my-thing");
    expect(start.fresh).toEqual([]);
  });

  test("by name need names", async () => {
    const file = join(folder, "nameless.pth");
    await exportModel({ checkpoint: run, to: "detectron2", out: file });
    await expect(startOf(["cone"], "same-names", file)).rejects.toThrow(
      /expected names of the classes of .*found none/,
    );
  });
});

describe("frozen parts", () => {
  const data = join(folder, "scenes");
  const settingsOf = (from: string | null, ...sets: string[]) => {
    const all = [...SETS, "run.steps=2", "run.evaluateEvery=0", "data.task=panoptic", ...sets];
    const settings = smallestFinetuning(...all);
    settings.data.path = data;
    settings.data.valSplit = null;
    settings.from.run = from;
    return settings;
  };
  beforeAll(() => writeScenes(data, 5));

  test("stay as they were to the bit, statistics of their norms included, and the others train", async () => {
    const out = join(folder, "frozen");
    const reporter = recordedReporter();
    const settings = settingsOf(run, "optim.freeze=[backbone,pixel-decoder]");
    expect(settings.model).toMatchObject({ norm: "batch" });
    await runFinetuning({ settings, out, start: "new", reporter });
    const { tensors } = await loadCheckpoint(out);
    const of = (all: ReadonlyMap<string, TensorData>, prefix: string) =>
      bitsOf(new Map([...all].filter(([name]) => name.startsWith(prefix))));
    for (const part of ["backbone.", "sem_seg_head.pixel_decoder."]) {
      expect(of(tensors.model, part)).toEqual(of(stored, part));
      expect([...tensors.optimizer.keys()].filter((name) => name.includes(part))).toEqual([]);
    }
    const query = "sem_seg_head.predictor.query_feat.weight";
    expect(of(tensors.model, query)).not.toEqual(of(stored, query));
    expect(reporter.lines.join("\n")).not.toContain("is frozen");
  });

  test("that are random are warned of, whole or in part", async () => {
    const reporter = recordedReporter();
    const settings = settingsOf(run, "optim.freeze=[transformer-decoder,backbone]", "from.parts=[transformer-decoder]");
    await runFinetuning({ settings, out: join(folder, "random"), start: "new", reporter });
    const text = reporter.lines.join("\n");
    expect(text).toMatch(/Warning: The backbone is frozen, and \d+ weights of it \(stem\.conv1\..*\) were not loaded/);
    expect(text).toMatch(
      /Warning: The transformer-decoder is frozen, and 2 weights of it \(class_embed\.weight, class_em/,
    );
  });

  test("are not all of the model", () => {
    const all = "optim.freeze=[backbone,pixel-decoder,transformer-decoder]";
    expect(() => settingsOf(null, all)).toThrow(/expected a part of the model that trains/);
    expect(() => settingsOf(null, "optim.freeze=[head]")).toThrow(/expected a list of "backbone", .*found \["head"\]/);
  });

  test("of a Swin Transformer drop nothing", () => {
    const preset = "mask2former-swin-t-coco-panoptic";
    expect(segmentationOptions(resolveSettings({ preset }), 3).architecture.backbone).toMatchObject({ dropPath: 0.3 });
    const frozen = resolveSettings({ preset, sets: ["optim.freeze=[backbone]"] });
    expect(segmentationOptions(frozen, 3).architecture.backbone).toMatchObject({ kind: "swin", dropPath: 0 });
  });
});
