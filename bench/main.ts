/**
 * @file `npm run bench`: training steps and inference here and in eager PyTorch, in turns, from the same weights and
 * draws.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError } from "commander";
import { wholeNumber } from "../src/cli/arguments.js";
import { InputError } from "../src/core/errors.js";
import { FAMILY_NAMES, type FamilyName, familyOf } from "../src/families/families.js";
import { createRuntime } from "../src/runtime/create-runtime.js";
import { probeMatMul } from "../src/runtime/probe.js";
import { checkValues } from "./agreement.js";
import { microBatchOf } from "./coco-model.js";
import { BACKBONE_NAMES, BACKBONE_TITLES, type BackboneName, JOB_NAMES, type JobName, type Problem } from "./job.js";
import { JOBS } from "./jobs.js";
import { writeBatches, writeWeights } from "./problem.js";
import { type Side, type StepResult, takeSteps } from "./protocol.js";
import { type Comparison, measured, table } from "./report.js";

interface Options {
  job: JobName[];
  family: FamilyName[];
  backbone: BackboneName[];
  sizes: number[];
  images: number;
  rounds: number;
  steps: number;
  cores: number;
  recompute?: string[];
  python: string;
  skipPeer?: boolean;
  json?: string;
}

/** First steps of a process: they fault its memory in, and take two to three times as long. */
const WARM_UP = 2;
/** Sides of the matrices whose product is timed; the fastest counts. */
const MATRICES = [512, 1024];

const list = (text: string) => text.split(",").filter((item) => item !== "");

function sizes(text: string): number[] {
  const values = list(text).map(Number);
  if (values.length === 0 || values.some((size) => !(size > 0) || size % 64 !== 0)) {
    throw new InvalidArgumentError("Expected multiples of 64, with commas between them.");
  }
  return values;
}

/** Parses a list of some of `known`. */
function someOf<T extends string>(known: readonly T[]): (text: string) => T[] {
  return (text) => {
    const names = list(text);
    const isKnown = (name: string): name is T => (known as readonly string[]).includes(name);
    if (names.length === 0 || !names.every(isKnown)) {
      throw new InvalidArgumentError(`Expected some of ${known.join(", ")}, with commas between them.`);
    }
    return names;
  };
}

function readOptions(): Options {
  return new Command("bench")
    .description("Training steps and inference with ResNet-50 and Swin-T, here and in eager PyTorch.")
    .option("--job <list>", `some of ${JOB_NAMES.join(", ")}`, someOf(JOB_NAMES), [...JOB_NAMES])
    .option(
      "--family <list>",
      `some of ${FAMILY_NAMES.join(", ")}; pretraining is of the first`,
      someOf(FAMILY_NAMES),
      [FAMILY_NAMES[0]],
    )
    .option("--backbone <list>", `some of ${BACKBONE_NAMES.join(", ")}`, someOf(BACKBONE_NAMES), [...BACKBONE_NAMES])
    .option("--sizes <list>", "sides of the square images", sizes, [256, 512])
    .option("--images <n>", "images of a training step", wholeNumber(1), 2)
    .option("--rounds <n>", "processes of each side, in turns", wholeNumber(1), 3)
    .option("--steps <n>", `timed steps of a process, after ${WARM_UP} for warm-up`, wholeNumber(1), 2)
    .option("--cores <n>", "cores that each side uses", wholeNumber(1), availableParallelism())
    .option(
      "--recompute <list>",
      "blocks to compute again instead of keeping them (setting run.recompute; else as the preset says)",
      list,
    )
    .option("--python <file>", "a Python with torch, torchvision and scipy", "/usr/bin/python3")
    .option("--skip-peer", "measure our side alone")
    .option("--json <file>", "write the results there too")
    .parse()
    .opts<Options>();
}

function peerIsReady(python: string): boolean {
  return spawnSync(python, ["-c", "import torch, torchvision, scipy"]).status === 0;
}

function sidesOf(problem: Problem, inputs: string, python: string): { ours: Side; theirs: Side } {
  const { job, family, backbone, size, images, cores, weights } = problem;
  const server = fileURLToPath(new URL("step-server.js", import.meta.url));
  // Compiled, this file is in dist-bench/bench.
  const peer = fileURLToPath(new URL("../../bench/peer/bench.py", import.meta.url));
  const numbers = { images, size, threads: cores, warmup: 0 };
  const flags = Object.entries(numbers).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return {
    ours: { name: "mask-jepa", command: process.execPath, args: [server, JSON.stringify(problem)] },
    theirs: {
      name: "PyTorch",
      command: python,
      args: [
        peer,
        "--job",
        job,
        "--family",
        family,
        "--backbone",
        backbone,
        "--mode",
        "serve",
        "--weights",
        weights,
        "--inputs",
        inputs,
        ...flags,
      ],
    },
  };
}

/** Highest GFLOP/s of a matrix product on all cores at once. */
async function matrixProduct(cores: number): Promise<number> {
  const runtime = await createRuntime({ device: "cpu", cores });
  const rates: number[] = [];
  for (const side of MATRICES) rates.push((await probeMatMul(runtime, side)).concurrent);
  runtime.dispose();
  return Math.max(...rates);
}

async function compare(problem: Problem, options: Options, folder: string): Promise<Comparison> {
  const { size, images, cores } = problem;
  const job = JOBS[problem.job];
  const whose = job.ofFamilies ? ` of ${familyOf(problem).title}` : "";
  const title = `${job.title}${whose}, ${BACKBONE_TITLES[problem.backbone]}`;
  const files = await writeBatches(problem, WARM_UP + options.steps, folder);
  const sides = sidesOf(problem, files[0], options.python);
  const ours: StepResult[][] = [];
  const theirs: StepResult[][] = [];
  const products: number[] = [];
  const differences: number[] = [];
  const progress = (round: number, name: string, results: readonly StepResult[]) => {
    const times = results.map(({ ms }) => (ms / images).toFixed(0)).join(", ");
    console.error(`${title}, ${size}x${size}, round ${round + 1} of ${options.rounds}: ${name} ${times} ms an image`);
  };
  for (let round = 0; round < options.rounds; round++) {
    products.push(await matrixProduct(cores));
    const reference = await takeSteps(sides.ours, files);
    ours.push(reference);
    progress(round, sides.ours.name, reference);
    if (options.skipPeer) continue;
    const results = await takeSteps(sides.theirs, files, (result, step) => {
      differences[step] = checkValues(reference[step].values, result.values, step, job.tolerance);
    });
    theirs.push(results);
    progress(round, sides.theirs.name, results);
  }
  for (const file of files) rmSync(file);
  const work = await job.work(problem);
  const matrixPeak = Math.max(...products);
  const measure = (rounds: readonly StepResult[][], inFlight: number) =>
    measured(
      rounds.flatMap((results) => results.slice(WARM_UP)),
      rounds.flat(),
      { images, inFlight, gigaFlop: work.gigaFlop, matrixPeak },
    );
  return {
    title,
    size,
    images,
    ...work,
    matrixPeak,
    differences,
    ours: measure(ours, Math.min(cores * microBatchOf(problem), images)),
    theirs: options.skipPeer ? undefined : measure(theirs, images),
  };
}

async function main(options: Options): Promise<void> {
  if (!options.skipPeer && !peerIsReady(options.python)) {
    console.error(
      `${options.python} lacks torch, torchvision or scipy. On Debian: apt-get install python3-torch ` +
        `python3-torchvision python3-scipy libopenblas0-pthread\nElsewhere: --python FILE, or --skip-peer for our ` +
        "side alone.",
    );
    process.exitCode = 2;
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), "mask-jepa-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  const { cores, recompute } = options;
  const machine = `${cpus()[0].model}, ${cores} ${cores === 1 ? "core" : "cores"}`;
  console.log(machine);
  const comparisons: Comparison[] = [];
  const kinds = options.job.flatMap((job) => {
    const families = JOBS[job].ofFamilies ? options.family : FAMILY_NAMES.slice(0, 1);
    return families.flatMap((family) => options.backbone.map((backbone) => ({ job, family, backbone })));
  });
  for (const { job, family, backbone } of kinds) {
    const weights = join(folder, `${job}-${family}-${backbone}.safetensors`);
    const images = JOBS[job].images ?? options.images;
    const problem = { job, family, backbone, images, cores, weights };
    await writeWeights({ ...problem, size: options.sizes[0] });
    for (const size of options.sizes) {
      const comparison = await compare({ ...problem, size, recompute }, options, folder);
      comparisons.push(comparison);
      console.log(`\n${table(comparison)}`);
    }
  }
  if (options.json) await writeFile(options.json, `${JSON.stringify({ machine, recompute, comparisons }, null, 2)}\n`);
}

await main(readOptions()).catch((error: Error) => {
  console.error(error instanceof InputError ? `error: ${error.message}` : error);
  process.exitCode = 1;
});
