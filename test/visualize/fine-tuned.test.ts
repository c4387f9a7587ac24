import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runFinetuning } from "../../src/finetune/run.js";
import { toYaml } from "../../src/finetune/settings-resolution.js";
import { TASKS, type Task } from "../../src/masks/segmentation.js";
import { runVisualization } from "../../src/visualize/visualize.js";
import { writeImages } from "../support/image-folder.js";
import { runMain } from "../support/in-process.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { smallestFinetuning, writeScenes } from "../support/tiny-finetuning.js";
import { saveTinyModel, tinyModel } from "../support/tiny-model.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-visualize-"));
const images = join(folder, "images");
beforeAll(() => writeImages(images, 3)); // of 80 x 72 pixels
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function draw(checkpoint: string, { places = [images], count = 2 } = {}) {
  const out = mkdtempSync(join(folder, "out-"));
  const reporter = recordedReporter();
  const visualization = await runVisualization({ checkpoint, images: places, out, count, reporter });
  const page = readFileSync(join(out, "index.html"), "utf8");
  const labels = [...page.matchAll(/<span>([^<]+)<\/span>/g)].map(([, label]) => label);
  return { out, reporter, visualization, page, labels };
}

/** The pictures of a strip, each `width` wide with 4 pixels between them. */
function picturesOf(file: string, count: number) {
  const { width, height, data } = decode(readFileSync(file));
  const each = (width - 4 * (count - 1)) / count;
  return Array.from({ length: count }, (_, i) => {
    const rows = Array.from({ length: height }, (_, y) => {
      const from = 3 * (y * width + i * (each + 4));
      return Buffer.from(data.subarray(from, from + 3 * each));
    });
    return { width: each, height, pixels: Buffer.concat(rows) };
  });
}

const savedModel = (task: Task, change: object = {}) => {
  const model = tinyModel(task);
  const run = mkdtempSync(join(folder, `${task}-`));
  return saveTinyModel(run, { ...model, inference: { ...model.inference, ...change } });
};

test.each(TASKS)("draws what a %s model predicts, and its features", async (task) => {
  const { out, visualization, page, labels } = await draw(await savedModel(task));
  expect(visualization).toMatchObject({ kind: "fine-tuned model", step: 3, skipped: [] });
  expect(visualization.images.map(({ picture }) => picture)).toEqual(["001-000.png", "002-001.png"]);
  expect(readdirSync(out).sort()).toEqual(["001-000.png", "002-001.png", "index.html", "quality.json"]);
  expect(JSON.parse(readFileSync(join(out, "quality.json"), "utf8"))).toEqual(visualization);
  expect(labels).toEqual(Array(2).fill(["photo", "prediction", "k-means", "PCA"]).flat());
  expect(page).toContain(`A fine-tuned model: ${task} segmentation`);
  const [photo, prediction, clusters, components] = picturesOf(join(out, "001-000.png"), 4);
  expect(photo.width / photo.height).toBeCloseTo(80 / 72, 2);
  // Random weights are sure of no object.
  expect(prediction.pixels.equals(photo.pixels)).toBe(task === "instance");
  expect(clusters.pixels.equals(components.pixels)).toBe(false);
});

test("a checkpoint drawn alone is drawn as its run", async () => {
  const run = await savedModel("semantic");
  const [whole, alone] = [await draw(run), await draw(join(run, "checkpoints", "step-00000003"))];
  const [first, second] = [whole, alone].map(({ out }) => readFileSync(join(out, "001-000.png")));
  expect(first.equals(second)).toBe(true);
});

test("a model that predicts in windows is drawn whole", async () => {
  const { out, labels } = await draw(await savedModel("instance", { window: 48 }), { count: 1 });
  expect(labels).toEqual(["photo", "prediction", "k-means", "PCA"]);
  const [, , clusters] = picturesOf(join(out, "001-000.png"), 4);
  const colours = new Set(
    Array.from({ length: clusters.pixels.length / 3 }, (_, i) => clusters.pixels.readUIntBE(3 * i, 3)),
  );
  expect(colours.size).toBe(5);
});

test("blank maps are blamed on the rule that emptied them", async () => {
  const { reporter, page } = await draw(await savedModel("panoptic", { objectThreshold: 0.99 }));
  expect(reporter.lines.join("\n")).toMatch(
    /Warning: 2 of 2 panoptic maps are blank: no query is surer than the model's/,
  );
  expect(page).toContain("2 of 2 panoptic maps are blank");
});

test("a run is drawn beside the weights that it began with, as long as they are there", async () => {
  const scenes = join(folder, "scenes");
  await writeScenes(scenes, 6);
  const settings = smallestFinetuning("run.steps=1", "run.batch=2", "run.evaluateEvery=0");
  settings.data.path = scenes;
  settings.data.task = "panoptic";
  const run = join(folder, "run");
  await runFinetuning({ settings, out: run, start: "new" });
  const places = [join(scenes, "images", "val", "*.jpg")];
  const { out, labels, page, visualization } = await draw(run, { places, count: 1 });
  expect(labels).toEqual(["photo", "prediction", "k-means before", "k-means after", "PCA before", "PCA after"]);
  expect(page).toContain("under the weights that fine-tuning began with (random ones of its seed)");
  const [, , , , before, after] = picturesOf(join(out, visualization.images[0].picture), 6);
  expect(before.pixels.equals(after.pixels)).toBe(false);

  const moved = join(folder, "moved");
  cpSync(run, moved, { recursive: true });
  settings.from.run = join(folder, "gone");
  writeFileSync(join(moved, "config.yaml"), toYaml(settings));
  const without = await draw(moved, { places, count: 1 });
  expect(without.labels).toEqual(["photo", "prediction", "k-means", "PCA"]);
  expect(without.reporter.lines.join("\n")).toMatch(/Warning: Drawn without the features before fine-tuning\. .*gone/);
});

test("the command takes a file, and says what it needs", async () => {
  const run = await savedModel("semantic");
  const out = join(folder, "command");
  const file = join(images, "002.png");
  const printed = await runMain("visualize", file, "--checkpoint", run, "--out", out, "--cores", "1");
  expect(printed.code).toBe(0);
  expect(printed.out).toContain(`1 image drawn: ${join(out, "index.html")}`);
  const missing = await runMain("visualize", "--checkpoint", run, "--out", out);
  expect(missing.code).toBe(2);
  expect(missing.err).toContain("Name images, folders or patterns");
});
