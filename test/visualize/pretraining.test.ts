import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { decode } from "fast-png";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { folderSource } from "../../src/data/files/folder-source.js";
import { pictureOptions, stepOptions, weightsOptions } from "../../src/pretrain/composition.js";
import { drawImages } from "../../src/pretrain/feature-pictures.js";
import { heldOutIndices } from "../../src/pretrain/held-out.js";
import { usableCrops } from "../../src/pretrain/image-crops.js";
import { buildGradients } from "../../src/pretrain/programs.js";
import { runPretraining } from "../../src/pretrain/run.js";
import { startingWeights } from "../../src/pretrain/starting-weights.js";
import { readMetrics } from "../../src/run/metrics-log.js";
import { createRuntime } from "../../src/runtime/create-runtime.js";
import { uploadTensors } from "../../src/runtime/upload.js";
import { runVisualization } from "../../src/visualize/visualize.js";
import { truncateFile, writeImages } from "../support/image-folder.js";
import { smallestSettings } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-visualize-"));
const images = join(folder, "images");
const run = join(folder, "run");
const IMAGES = 10;
const settings = smallestSettings("run.steps=2", "data.heldOut=1");
settings.data.images = [images];

beforeAll(async () => {
  await writeImages(images, IMAGES);
  await runPretraining({ settings, out: run, start: "new" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const draw = (name: string, checkpoint = run, from = images) =>
  runVisualization({ checkpoint, images: [from], out: join(folder, name), count: 2 });

test("draws strips, a page and the numbers, the same for a run and for its checkpoint", async () => {
  const quality = await draw("pictures");
  const out = join(folder, "pictures");
  expect(readdirSync(out).sort()).toEqual(["001-000.png", "002-001.png", "index.html", "quality.json"]);
  const { width, height } = decode(readFileSync(join(out, "001-000.png")));
  expect([width, height]).toEqual([6 * 256 + 5 * 4, 256]); // six pictures, five gutters
  expect(JSON.parse(readFileSync(join(out, "quality.json"), "utf8"))).toEqual(quality);
  expect(quality.step).toBe(2);
  expect(quality.images.map(({ file }) => basename(file))).toEqual(["000.png", "001.png"]);
  const [first, second] = quality.images.map(({ error }) => error as number);
  expect(quality.error).toBeCloseTo((first + second) / 2, 6);
  expect(quality.explainedVariance).toBeCloseTo(1 - (first + second) / 2 / (quality.meanError as number), 6);

  expect(await draw("again", join(run, "checkpoints", "step-00000002"))).toEqual(quality);
  expect(readFileSync(join(folder, "again", "001-000.png"))).toEqual(readFileSync(join(out, "001-000.png")));
});

test("finds on the held-out image the error that the run logged", async () => {
  const source = await folderSource(images);
  const only = join(folder, "held-out");
  mkdirSync(only);
  for (const index of heldOutIndices(0, 1, IMAGES)) cpSync(source.name(index), join(only, "held.png"));
  const { error, meanError } = await draw("held-out-pictures", run, only);
  const last = readMetrics(join(run, "metrics.jsonl")).at(-1);
  expect({ error, meanError }).toEqual({ error: last?.["held-out-error"], meanError: last?.["held-out-mean-error"] });
});

test("before pretraining means the weights that the run began with", async () => {
  const runtime = await createRuntime({ device: "cpu", cores: 1 });
  const weights = await startingWeights(weightsOptions(settings), buildGradients(stepOptions(settings)).declarations);
  const [online, target] = [await uploadTensors(runtime, weights), await uploadTensors(runtime, weights)];
  const crops = await usableCrops(await folderSource(images), [0], settings.data.size, 1);
  const { rows } = await drawImages(runtime, pictureOptions(settings), crops.images, { online, target });
  const [, clustersBefore, clustersAfter, componentsBefore, componentsAfter] = rows[0].cells;
  expect(clustersAfter.picture).toEqual(clustersBefore.picture);
  expect(componentsAfter.picture).toEqual(componentsBefore.picture);
  runtime.dispose();

  await draw("trained");
  const trained = decode(readFileSync(join(folder, "trained", "001-000.png")));
  const column = (i: number) => trained.data.slice(0, trained.width * 3).slice(3 * 260 * i, 3 * (260 * i + 256));
  expect(column(4)).not.toEqual(column(3));
});

test("passes over bad images by name", async () => {
  const mixed = join(folder, "mixed");
  await writeImages(mixed, 3);
  truncateFile(join(mixed, "000.png"));
  writeFileSync(join(mixed, "photo.heic"), "");
  const { images: drawn, skipped } = await draw("mixed-pictures", run, mixed);
  expect(drawn.map(({ file }) => basename(file))).toEqual(["001.png", "002.png"]);
  expect(skipped.map(({ file }) => basename(file)).sort()).toEqual(["000.png", "photo.heic"]);
  const page = readFileSync(join(folder, "mixed-pictures", "index.html"), "utf8");
  expect(page).toContain(`Skipped ${join(mixed, "000.png")}`);

  for (const name of ["001.png", "002.png"]) truncateFile(join(mixed, name));
  await expect(draw("none", run, mixed)).rejects.toThrow("expected at least one image that can be read, found none");
});

describe("refuses", () => {
  test.each([
    ["nothing", () => join(folder, "nowhere"), "found nothing of that name"],
    ["a folder of images", () => images, "found a folder of images. Give the folder that pretrain or finetune wrote"],
    ["labelled data", () => folderWith("labelled", "data.yaml"), "found a folder of labelled data. Give the folder"],
    ["an empty folder", () => folderWith("blank"), "found an empty folder"],
    ["another folder", () => folderWith("notes", "notes.txt"), "found a folder without config.yaml"],
    ["a folder of runs", () => folder, `found a folder of runs: ${run}. Give one of them.`],
    [
      "a run without a checkpoint",
      () => copyOf("empty", (copy) => rmSync(join(copy, "checkpoints"), { recursive: true })),
      "found a run without a checkpoint",
    ],
    [
      "a checkpoint without its run",
      () => {
        const alone = join(folder, "alone", "a", "step-00000002");
        cpSync(join(run, "checkpoints", "step-00000002"), alone, { recursive: true });
        return alone;
      },
      "found a checkpoint without the config.yaml of its run",
    ],
    [
      "a file of an encoder's weights",
      () => join(run, "checkpoints", "step-00000002", "model.safetensors"),
      "expected a fine-tuned model, found backbone and pixel decoder under the names of Mask2Former, which predicts",
    ],
    ["another file", () => join(run, "config.yaml"), "expected a safetensors, PyTorch or pickle file"],
    ["a folder of what is no weights", () => folderWith("weights", "a.pth"), "found an empty file"],
    [
      "settings of another model",
      () => copyOf("other", (copy) => edit(join(copy, "config.yaml"), "decoderFfn: 32", "decoderFfn: 64")),
      "of another shape",
    ],
  ])("%s, and makes no folder", async (_, checkpoint, message) => {
    await expect(draw("refused/deep", checkpoint())).rejects.toThrow(message);
    expect(existsSync(join(folder, "refused"))).toBe(false);
  });
});

function folderWith(name: string, ...files: string[]): string {
  const made = join(folder, name);
  mkdirSync(made);
  for (const file of files) writeFileSync(join(made, file), "");
  return made;
}

function copyOf(name: string, change: (copy: string) => void): string {
  const copy = join(folder, name);
  cpSync(run, copy, { recursive: true });
  change(copy);
  return copy;
}

function edit(file: string, from: string, to: string): void {
  const text = readFileSync(file, "utf8");
  expect(text).toContain(from);
  writeFileSync(file, text.replace(from, to));
}
