/**
 * @file `npm run bench:memory`: resident memory over many images of many sizes, of the commands that use a trained
 * model.
 */

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Command, Option } from "commander";
import type { JsonObject } from "../src/checkpoint/checkpoint.js";
import { saveCheckpoint } from "../src/checkpoint/run-state.js";
import { wholeNumber } from "../src/cli/arguments.js";
import { RandomStream } from "../src/core/random.js";
import { familyOf } from "../src/families/families.js";
import { segment } from "../src/families/family.js";
import { describeModel } from "../src/finetune/composition.js";
import { resolveSettings } from "../src/finetune/settings-resolution.js";
import { Graph } from "../src/graph/graph.js";
import { encodeJpeg } from "../src/io/image-file.js";
import { TASKS } from "../src/masks/segmentation.js";
import { asInputs, Parameters } from "../src/nn/scope.js";
import { freshWeights } from "../src/weights/starting-weights.js";

const COMMANDS = ["predict", "evaluate"] as const;

interface Options {
  command: (typeof COMMANDS)[number];
  images: number;
  sizes: number;
  cores: number;
}

const SHORT_EDGE = 96;
/** Sides of network inputs are multiples of this. */
const STEP = 32;
const SETTINGS = [`inference.shortEdge=${SHORT_EDGE}`, "inference.longEdge=2048"];
const CLASSES = ["a", "b"].map((name, i) => ({ id: i + 1, name, isThing: true, color: [200, 40 * i, 60] as const }));

/** Sizes that the network all sees differently: one side stays, the other grows, in turns. */
function sizeOf(i: number) {
  const long = SHORT_EDGE + STEP * Math.ceil(i / 2);
  return i % 2 === 0 ? { width: long, height: SHORT_EDGE } : { width: SHORT_EDGE, height: long };
}

/** A small model with random weights, as fine-tuning stores one. */
async function writeModel(run: string): Promise<void> {
  const settings = resolveSettings({ preset: "small", sets: SETTINGS });
  const model = describeModel(settings, { task: "instance", classes: CLASSES });
  const graph = new Graph("weights");
  const { root, declarations } = new Parameters(asInputs(graph));
  const { architecture } = model;
  segment(familyOf(architecture), root, graph.input("image", "float32", [1, 3, 64, 64]), architecture);
  const { weights } = freshWeights(declarations, 0);
  const state = JSON.parse(JSON.stringify({ kind: "mask-jepa fine-tuning", model })) as JsonObject;
  await saveCheckpoint(run, { step: 1, tensors: { model: weights }, state, keep: 1 });
}

/** COCO instances: waves, each image with a rectangle of a class. */
async function writeData(folder: string, count: number, sizes: number): Promise<void> {
  const photos = join(folder, "val2017");
  await mkdir(photos, { recursive: true });
  await mkdir(join(folder, "annotations"));
  const images = [];
  const annotations = [];
  for (let i = 0; i < count; i++) {
    const { width, height } = sizeOf(i % sizes);
    const random = new RandomStream({ seed: 0, purpose: "waves", sample: i });
    const [fx, fy] = [random.uniform(0.02, 0.4), random.uniform(0.02, 0.4)];
    const data = Uint8Array.from({ length: 3 * width * height }, (_, at) => {
      const pixel = Math.floor(at / 3);
      return 127 + 120 * Math.sin(fx * (pixel % width) + fy * Math.floor(pixel / width) + (at % 3));
    });
    const name = `${String(i).padStart(6, "0")}.jpg`;
    await writeFile(join(photos, name), await encodeJpeg({ width, height, data }));
    images.push({ id: i, file_name: name, width, height });
    const box = [8, 8, 40, 40];
    const polygon = [8, 8, 48, 8, 48, 48, 8, 48];
    annotations.push({
      id: i,
      image_id: i,
      category_id: 1 + (i % 2),
      bbox: box,
      area: 1600,
      iscrowd: 0,
      segmentation: [polygon],
    });
  }
  const categories = CLASSES.map(({ id, name }) => ({ id, name }));
  await writeFile(
    join(folder, "annotations", "instances_val2017.json"),
    JSON.stringify({ images, annotations, categories }),
  );
}

/** Resident memory of a process in MiB. */
const residentOf = (pid: number) =>
  Math.round(Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) / 1024);

/** Runs a command to its end; every line that tells how far it is gets its memory. */
async function watch(args: readonly string[], images: number): Promise<void> {
  // Compiled, this file is in dist-bench/bench.
  const launcher = fileURLToPath(new URL("../../bin/mask-jepa.js", import.meta.url));
  const child = spawn(process.execPath, [launcher, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const started = performance.now();
  for await (const line of createInterface({ input: child.stdout })) {
    const [, what, done, total] = /^(.+): (\d+)\/(\d+)/.exec(line) ?? [];
    if (Number(total) !== images || !child.pid) continue;
    const seconds = Math.round((performance.now() - started) / 1000);
    console.log(
      `${done.padStart(6)}${String(residentOf(child.pid)).padStart(10)}${String(seconds).padStart(9)}  ${what}`,
    );
  }
}

async function main({ command, images, sizes, cores }: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "mask-jepa-memory-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const [run, data, out] = ["run", "data", "out"].map((name) => join(folder, name));
  await writeModel(run);
  await writeData(data, images, sizes);
  const given: Record<Options["command"], readonly string[]> = {
    predict: ["--images", join(data, "val2017"), "--task", ...TASKS, "--threshold", "0", "--cores", String(cores)],
    evaluate: ["--data", data, "--cores", String(cores)],
  };
  console.log(`${command}, ${images} images of ${sizes} sizes, ${cores} cores\nimages       MiB  seconds`);
  await watch([command, "--checkpoint", run, "--out", out, ...given[command]], images);
}

const program = new Command("bench:memory")
  .description(
    "Resident memory of a command over many images of many sizes, with a small model; a line every ten seconds.",
  )
  .addOption(new Option("--command <name>", "what runs").choices(COMMANDS).default("predict"))
  .option("--images <n>", "images", wholeNumber(1), 1000)
  .option("--sizes <n>", "different sizes among them", wholeNumber(1), 50)
  .option("--cores <n>", "cores", wholeNumber(1), 1);
await main(program.parse().opts<Options>());
