/** @file The files that both sides read: weights, and the batch of every step. */

import { join } from "node:path";
import { writeSafetensors } from "../src/checkpoint/safetensors.js";
import { RandomStream } from "../src/core/random.js";
import { floats, sizeOf, type TensorData } from "../src/core/tensor-data.js";
import { type Declaration, initialValue } from "../src/nn/scope.js";
import type { Problem } from "./job.js";
import { JOBS } from "./jobs.js";

/** Standard deviation of what is added to every initial weight, so that nothing that both compute is zero or exact. */
const SPREAD = 0.02;

/**
 * A starting value with noise on top. The frozen norms get statistics of their own, and each residual branch half the
 * weight of its shortcut, which keeps the maps of a random ResNet at the order of 1.
 */
function startingValue(declaration: Declaration): TensorData<"float32"> {
  const { name, shape } = declaration;
  const random = new RandomStream({ seed: 0, purpose: `bench/${name}` });
  const draw = (value: () => number) => floats(shape, Array.from({ length: sizeOf(shape) }, value));
  if (declaration.kind === "parameter") {
    const value = initialValue(declaration, 0);
    value.data.forEach((x, i) => {
      value.data[i] = x + SPREAD * random.normal();
    });
    return value;
  }
  if (name.endsWith("running_var")) return draw(() => random.uniform(0.5, 1.5));
  if (name.endsWith("norm.weight")) {
    const gain = name.includes("conv3") ? 0.5 : 1;
    return draw(() => gain * random.uniform(0.8, 1.2));
  }
  return draw(() => 0.1 * random.normal());
}

/** Writes all weights of the job by canonical name. */
export async function writeWeights(problem: Problem): Promise<void> {
  const job = JOBS[problem.job];
  const weights = new Map(Array.from(job.declarations(problem), (d) => [d.name, startingValue(d)]));
  job.adjust?.(weights);
  await writeSafetensors(problem.weights, weights);
}

/** Writes the batches of steps 0 to `steps` - 1 into `folder`. Returns the files, one a step. */
export async function writeBatches(problem: Problem, steps: number, folder: string): Promise<string[]> {
  const { job, size } = problem;
  const files = Array.from({ length: steps }, (_, step) => join(folder, `${job}-${size}-${step}.safetensors`));
  for (const [step, file] of files.entries()) await writeSafetensors(file, await JOBS[job].batch(problem, step));
  return files;
}
