import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encode } from "fast-png";
import { expect, test } from "vitest";
import { openLabelledSource } from "../../src/data/datasets/open-data.js";
import { evaluate } from "../../src/evaluate/evaluate.js";
import { judgedSource } from "../../src/evaluate/judged-source.js";
import type { Task } from "../../src/masks/segmentation.js";
import { writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { temporaryDirectory } from "../support/temporary-directory.js";
import { writeScenes } from "../support/tiny-finetuning.js";
import { saveTinyModel, tinyModel, tinyWeights } from "../support/tiny-model.js";

/** Photos of 80 x 72 whose upper half is sky and lower half ground; the last label is of another size. */
async function writeData(folder: string, names = ["sky", "ground", "tree", "cone"]): Promise<string> {
  await writeImages(join(folder, "photos"), 5);
  mkdirSync(join(folder, "labels"));
  for (let i = 0; i < 5; i++) {
    const height = i === 4 ? 60 : 72;
    const data = Uint8Array.from({ length: 80 * height }, (_, p) => Number(p >= 80 * 36));
    writeFileSync(join(folder, "labels", `00${i}.png`), encode({ width: 80, height, data, channels: 1 }));
  }
  const file = join(folder, "data.yaml");
  writeFileSync(file, `classes: [${names.join(", ")}]\nval: { images: photos, semantic: labels }\n`);
  return file;
}

test("evaluate scores a checkpoint on a described data set and says what it wrote", async () => {
  const folder = temporaryDirectory();
  const data = await writeData(folder);
  const weights = tinyWeights();
  weights.get("sem_seg_head.predictor.class_embed.bias")!.data[1] = 50; // calls everything ground
  const run = await saveTinyModel(join(folder, "runs/b"), tinyModel("semantic"), weights);
  const { code, out: printed } = await runMain("evaluate", "--data", data, "--checkpoint", run);
  expect(code).toBe(0);
  const json = JSON.parse(readFileSync(join(run, "evaluation-val", "evaluation.json"), "utf8"));
  expect(json.models[0]).toMatchObject({ step: 3, task: "semantic", deciding: { metric: "miou" } });
  expect(json.models[0].images).toHaveLength(4);
  expect(json.models[0].skipped).toEqual([{ file: expect.stringContaining("004.png"), reason: expect.any(String) }]);
  expect(json.models[0].scores.miou).toBe(25); // half of the ground's union is right, and no sky
  expect(printed).toContain("4 validation images, 1 could not be used");
  expect(json.data).toMatchObject({ images: 4, unusable: 1, splitImages: 5 });
  const page = readFileSync(join(run, "evaluation-val", "evaluation.html"), "utf8");
  expect(page).toContain("4 validation images, 1 could not be used");
  expect(printed).toMatch(/^mIoU +25\.0$/m);
  expect(printed).toContain(join(run, "evaluation-val", "evaluation.html"));
});

test("evaluate compares two checkpoints, of a share of the images", async () => {
  const folder = temporaryDirectory();
  const data = await writeData(folder);
  const model = tinyModel("semantic");
  const runs = [join(folder, "b"), join(folder, "c")];
  await saveTinyModel(runs[0], model);
  await saveTinyModel(runs[1], { ...model, inference: { ...model.inference, shortEdge: 32 } }, tinyWeights(1));
  const flags = runs.flatMap((run) => ["--checkpoint", run]);
  const limited = [...flags, "--limit", "2", "--out", join(folder, "out")];
  const { code, out: printed } = await runMain("evaluate", "--data", data, ...limited);
  expect(code).toBe(0);
  const json = JSON.parse(readFileSync(join(folder, "out/evaluation.json"), "utf8"));
  expect(json.models.map(({ images }: { images: unknown[] }) => images.length)).toEqual([2, 2]);
  expect(json.models[1].inference.shortEdge).toBe(32);
  expect(printed).toMatch(/^mIoU +\d+\.\d +\d+\.\d +[+-]?\d+\.\d$/m);
});

test("evaluate says in one line what does not fit", async () => {
  const folder = temporaryDirectory();
  const data = await writeData(folder, ["sky", "earth", "tree", "cone"]);
  const run = await saveTinyModel(join(folder, "b"), tinyModel("semantic"));
  const failing = async (...args: string[]) => {
    const { code, err } = await runMain("evaluate", "--data", data, "--checkpoint", run, ...args);
    expect(code).toBe(1);
    return err;
  };
  expect(await failing()).toMatch(/class 1 "ground", found class 1 "earth"/);
  expect(await failing("--split", "vall")).toMatch(/the split vall, found val\. Did you mean "val"\?/);
  expect(await failing("--checkpoint", run, "--checkpoint", run)).toMatch(/one checkpoint, or two to compare/);
});

test("a panoptic model is judged in the tasks that are asked for, of which the first decides", async () => {
  const data = join(temporaryDirectory(), "scenes");
  await writeScenes(data, 5);
  const source = await openLabelledSource(data, { task: "panoptic", split: "val" });
  const predict = async () => ({
    panoptic: await source.panoptic(0),
    semantic: await source.semantic(0),
    instances: [],
  });
  const judge = (...tasks: Task[]) => evaluate({ source: judgedSource(source, tasks), tasks, predict });
  const all = await judge("semantic", "instance", "panoptic");
  expect(all).toMatchObject({ task: "panoptic", deciding: { metric: "pq", value: 100 } });
  expect(all.scores).toMatchObject({ pq: 100, apPan: 0, miouPan: 100 });
  const some = await judge("semantic", "instance");
  expect(some).toMatchObject({ task: "semantic", deciding: { metric: "miou", value: 100 }, scores: { ap: 0 } });
  expect(some.images[0].score).toBe(100);
  expect(some.scores.pq).toBeUndefined();
});

test("--task compares models of two tasks in what both give, and asks for nothing that labels or models lack", async () => {
  const folder = temporaryDirectory();
  const data = await writeData(folder);
  const [semantic, panoptic] = await Promise.all(
    (["semantic", "panoptic"] as const).map((task) => saveTinyModel(join(folder, task), tinyModel(task))),
  );
  const judge = (...args: string[]) => runMain("evaluate", "--data", data, "--checkpoint", semantic, ...args);
  const both = ["--checkpoint", panoptic, "--out", join(folder, "out"), "--limit", "1"];
  expect((await judge(...both, "--task", "semantic")).out).toMatch(/^mIoU +(\d+\.\d) +\1 +0\.0$/m);
  expect((await judge(...both)).err).toMatch(/found one of the task panoptic.*in a task that both give \(--task\)/);
  expect((await judge("--task", "panoptic")).err).toContain(
    "tasks that models and labels have: semantic, found panoptic",
  );
  expect((await judge("--task", "panoptik")).err).toContain("Tasks are semantic, instance, panoptic.");
});

/** Two cars, a group of persons and an ego vehicle on a road, as gtFine has them. */
function writeCityscapes(root: string): void {
  const [width, height] = [64, 48];
  const [images, labels] = [join(root, "leftImg8bit/val/aachen"), join(root, "gtFine/val/aachen")];
  for (const path of [images, labels]) mkdirSync(path, { recursive: true });
  const at = (p: number) => {
    const [x, y] = [p % width, Math.floor(p / width)];
    if (y >= 40) return 1; // ego vehicle
    if (y >= 10 && y < 30 && x < 20) return 26000;
    if (y >= 10 && y < 30 && x >= 40) return 26001;
    return y < 6 ? 24 : 7;
  };
  const values = Uint16Array.from({ length: width * height }, (_, p) => at(p));
  const ids = Uint8Array.from(values, (value) => (value < 1000 ? value : Math.floor(value / 1000)));
  const photo = new Uint8Array(3 * width * height);
  const name = (kind: string) => `aachen_000000_000019_${kind}.png`;
  writeFileSync(join(images, name("leftImg8bit")), encode({ width, height, data: photo, channels: 3 }));
  writeFileSync(join(labels, name("gtFine_labelIds")), encode({ width, height, data: ids, channels: 1 }));
  const objects = { width, height, data: values, channels: 1, depth: 16 } as const;
  writeFileSync(join(labels, name("gtFine_instanceIds")), encode(objects));
}

test("Cityscapes is scored as its own scripts do, too", async () => {
  const root = temporaryDirectory();
  writeCityscapes(root);
  const open = (task: "semantic" | "instance" | "panoptic") => openLabelledSource(root, { task, split: "val" });
  const things = await open("instance");
  const { width, height, instances } = await things.instances(0);
  const found = instances.filter(({ crowd }) => !crowd);
  const mask = found[0].shape as never;
  // Of two cars one is found; what lies on the ego vehicle is no error of Cityscapes, but one of COCO.
  const onEgo = { width, height, counts: Uint32Array.from({ length: 129 }, (_, i) => (i === 0 ? 40 : i % 2 ? 8 : 40)) };
  onEgo.counts[128] = 0;
  const said = [
    { label: found[0].label, score: 0.9, mask: onEgo },
    { label: found[0].label, score: 0.8, mask },
  ];
  const instance = await evaluate({ source: things, predict: async () => ({ instances: said }) });
  expect(instance.scores.ap).toBeCloseTo((100 * 0.5 * 51) / 101, 9);
  expect(instance.scores.apCityscapes).toBeCloseTo(instance.scores.ap50Cityscapes!, 9);
  expect(instance.scores.apCityscapes).toBeGreaterThan(45);

  const surfaces = await open("semantic");
  const perfect = await surfaces.semantic(0);
  const semantic = await evaluate({ source: surfaces, predict: async () => ({ semantic: perfect }) });
  expect(semantic.scores).toMatchObject({ miou: 100, iiou: 100, categoryMiou: 100, categoryIiou: 100 });

  const both = await open("panoptic");
  const panoptic = await both.panoptic(0);
  const predict = async () => ({ panoptic, semantic: perfect, instances: [] });
  const { scores, classes } = await evaluate({ source: both, predict });
  expect(scores).toMatchObject({ apPan: 0, apCityscapesPan: 0, miouPan: 100 });
  expect(classes.find(({ name }) => name === "car")?.scores).toMatchObject({
    pq: 100,
    apCityscapesPan: 0,
    iouPan: 100,
  });
});
