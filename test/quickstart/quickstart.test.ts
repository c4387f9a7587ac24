import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { runQuickstart } from "../../src/quickstart/quickstart.js";
import { writeSampleData } from "../../src/sample-data/write-sample-data.js";
import { writeImages } from "../support/image-folder.js";
import { recordedReporter } from "../support/recorded-reporter.js";
import { SMALLEST_TRAINING } from "../support/tiny-finetuning.js";
import { SMALLEST } from "../support/tiny-pretraining.js";

const folder = mkdtempSync(join(tmpdir(), "mask-jepa-quickstart-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sets = [...SMALLEST, "run.steps=1"];
const finetuneSets = [...SMALLEST_TRAINING, "run.steps=1"];
const scenes = { images: 5, size: 64, seed: 0 };

test("generates the scenes that are wanted once, and gives every run a folder of its own", async () => {
  const out = join(folder, "scenes");
  await writeSampleData({ dir: join(out, "data"), ...scenes, images: 2 });
  const first = join(out, "data", "images", "train", "000000.jpg");
  const reporter = recordedReporter();
  const outcome = await runQuickstart({ out, sets, finetuneSets, scenes, reporter });
  expect(outcome).toMatchObject({ step: 1, steps: 1, interrupted: false });
  expect(reporter.lines.at(-1)).toMatch(/Open the report: .*report\.html$/);
  const report = readFileSync(join(out, "report.html"), "utf8");
  for (const part of [
    "fresh weights (A: ",
    "pretrained ones (B: ",
    "Fine-tuned: Scores",
    "Fine-tuned: Training",
    "model A",
    "Pretraining: ",
  ]) {
    expect(report).toContain(part);
  }
  expect(existsSync(join(out, "data", "images", "train", "000003.jpg"))).toBe(true);
  const { mtimeMs } = statSync(first);

  await runQuickstart({ out, sets, finetuneSets, scenes, reporter });
  expect(reporter.lines).toContain(`Using the sample scenes in ${join(out, "data")}`);
  expect(statSync(first).mtimeMs).toBe(mtimeMs);
  for (const run of ["run-2", "run-2-fresh", "run-2-pretrained"]) expect(existsSync(join(out, run))).toBe(true);
});

test("generates scenes again when some are missing", async () => {
  const out = join(folder, "scenes");
  const last = join(out, "data", "annotations", "instances_val.json");
  rmSync(last);
  await runQuickstart({ out, sets, finetuneSets, scenes });
  expect(existsSync(last)).toBe(true);
});

test("takes one's own images", async () => {
  const images = join(folder, "photos");
  await writeImages(images, 3);
  const out = join(folder, "own");
  await runQuickstart({ images: [images], out, sets });
  expect(existsSync(join(out, "data"))).toBe(false);
  expect(readFileSync(join(out, "report.html"), "utf8")).toContain("photos/000.png");
});
