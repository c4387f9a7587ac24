import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { loadCheckpoint } from "../../src/checkpoint/run-state.js";
import { SILENT } from "../../src/core/reporter.js";
import { openDataSet, openSplitOf } from "../../src/data/datasets/open-data.js";
import { withClassesOf } from "../../src/evaluate/adopted-classes.js";
import { exportModel } from "../../src/export/export-model.js";
import { describeModel } from "../../src/finetune/composition.js";
import { resolveSettings } from "../../src/finetune/settings-resolution.js";
import { type LoadedModel, loadTrainedModel, saveTrainedModel } from "../../src/predict/trained-model.js";
import { runMain } from "../support/in-process.js";
import { SMALLEST_MODEL, writeScenes } from "../support/tiny-finetuning.js";
import { tinyWeights } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-adopted-"));
const at = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("weights that name no classes, or not what is a thing, are judged by the data's", async () => {
  await writeScenes(at("scenes"), 5);
  const source = await openSplitOf(await openDataSet(at("scenes")), "train", "panoptic");
  const sets = [...SMALLEST_MODEL.filter((set) => !set.includes("normGroups")), "model.normGroups=32"];
  const settings = resolveSettings({ preset: "small", sets: [...sets, "decoder.queries=4"] });
  const described = describeModel(settings, source);
  await saveTrainedModel(at("run"), { ...described, weights: tinyWeights(0, described.architecture) }, 1);
  await exportModel({ checkpoint: at("run"), to: "detectron2", out: at("nameless.pkl") });
  await exportModel({ checkpoint: at("run"), to: "huggingface", form: "torch", out: at("named") });
  for (const [checkpoint, said] of [
    ["nameless.pkl", /The data's classes are taken in their order: nothing says that of .*nameless\.pkl/],
    ["named", /What is a thing is taken from the data: nothing says that of .*named/],
  ] as const) {
    const limits = ["--split", "train", "--limit", "1", "--cores", "1"];
    const where = ["--data", at("scenes"), "--checkpoint", at(checkpoint), "--out", at(`${checkpoint}-scores`)];
    const { code, err, out } = await runMain("evaluate", ...where, ...limits);
    expect(code, err).toBe(0);
    expect(out).toMatch(said);
    const { models } = JSON.parse(readFileSync(at(`${checkpoint}-scores`, "evaluation.json"), "utf8"));
    expect(models).toHaveLength(1);
  }
  // What is said stays, and so do classes that cannot be the same.
  const own = await loadTrainedModel(at("run"));
  expect(withClassesOf(source, own, { where: "", reporter: SILENT })).toBe(own);
  const nameless = await loadTrainedModel(at("nameless.pkl"));
  const fewer = { ...nameless, classes: nameless.classes.slice(1) };
  expect(withClassesOf(source, fewer, { where: "", reporter: SILENT })).toBe(fewer);

  // Where a model was read from is no part of it.
  await saveTrainedModel(at("again"), nameless satisfies LoadedModel, 1);
  const { state } = await loadCheckpoint(at("again"), { parts: [] });
  expect(Object.keys(state.model as object)).toEqual(["task", "classes", "architecture", "inference"]);
});
