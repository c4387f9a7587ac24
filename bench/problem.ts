/** @file What both sides compute: the settings of the step, its weights, and the batch of every step. */

import { join } from "node:path";
import { writeSafetensors } from "../src/checkpoint/safetensors.js";
import { RandomStream } from "../src/core/random.js";
import { floats, sizeOf, type TensorData } from "../src/core/tensor-data.js";
import { costOf } from "../src/graph/cost.js";
import { ancestors, type Graph } from "../src/graph/graph.js";
import { type Declaration, initialValue } from "../src/nn/scope.js";
import { drawMask, maskStream, noiseStream, queryStream } from "../src/pretrain/draws.js";
import { buildFrozenBackbone, buildGradients, buildTarget, stepShapes } from "../src/pretrain/programs.js";
import { maskGrid, type PretrainSettings } from "../src/pretrain/settings.js";
import { resolveSettings } from "../src/pretrain/settings-resolution.js";
import { backboneDeclarations } from "../src/pretrain/starting-weights.js";

export interface Problem {
  /** Side of the square images. */
  size: number;
  /** Images of a step. */
  images: number;
  cores: number;
  /** Value of `run.recompute`: blocks whose activations our side computes again instead of keeping them. */
  recompute: readonly string[];
  /** Safetensors file with all weights. */
  weights: string;
}

/** The paper's settings with a frozen backbone; learning rate and tau constant, as on the other side. */
export function settingsOf({ size, images, cores, recompute, weights }: Problem): PretrainSettings {
  const sets = [
    `data.size=${size}`,
    `run.batch=${images}`,
    "run.microBatch=1",
    `run.cores=${cores}`,
    `run.recompute=${JSON.stringify(recompute)}`,
    `backbone.weights=${JSON.stringify(weights)}`,
    "optim.warmup=0",
    "pretrain.emaEnd=0.996",
  ];
  return resolveSettings({ preset: "paper-r50", sets });
}

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

/** Writes the weights of backbone, pixel decoder and predictor by canonical name; they do not depend on the image size. */
export async function writeWeights(problem: Problem): Promise<void> {
  const settings = settingsOf(problem);
  const declared = [backboneDeclarations(settings), buildGradients(settings).parameters.declarations];
  const all = new Map(declared.flatMap((declarations) => [...declarations]));
  await writeSafetensors(problem.weights, new Map([...all].map(([name, d]) => [name, startingValue(d)])));
}

/** The batch of one step: images of N(0, 1), and what the step itself will draw for `step`. */
function batchOf(settings: PretrainSettings, step: number): Map<string, TensorData> {
  const { run, pretrain } = settings;
  const shapes = stepShapes(settings);
  const { cells, masked } = maskGrid(settings);
  const stacked = (shape: readonly number[], fill: (sample: number, out: Float32Array) => void) => {
    const each = sizeOf(shape.slice(1));
    const data = new Float32Array(run.batch * each);
    for (let i = 0; i < run.batch; i++) fill(i, data.subarray(i * each, (i + 1) * each));
    return floats([run.batch, ...shape.slice(1)], data);
  };
  const keyOf = (sample: number) => ({ seed: run.seed, step, sample });
  const masks = Array.from({ length: run.batch }, (_, i) =>
    drawMask(maskStream(keyOf(i)), cells, pretrain.maskPatch, masked),
  );
  return new Map<string, TensorData>([
    [
      "images",
      stacked(shapes.images, (i, out) => new RandomStream({ ...keyOf(i), purpose: "bench images" }).fillNormal(out)),
    ],
    ["noise", stacked(shapes.noise, (i, out) => noiseStream(keyOf(i)).fillNormal(out, pretrain.sigma))],
    ["queries", stacked(shapes.queries, (i, out) => queryStream(keyOf(i)).fillNormal(out))],
    [
      "masked",
      {
        dtype: "int64",
        shape: [run.batch, masks[0].length],
        data: BigInt64Array.from(masks.flatMap((m) => [...m])),
      },
    ],
  ]);
}

/** Writes the batches of steps 0 to `steps` - 1 into `folder`. Returns the files, one a step. */
export async function writeBatches(problem: Problem, steps: number, folder: string): Promise<string[]> {
  const settings = settingsOf(problem);
  const files = Array.from({ length: steps }, (_, step) => join(folder, `${problem.size}-${step}.safetensors`));
  for (const [step, file] of files.entries()) await writeSafetensors(file, batchOf(settings, step));
  return files;
}

export interface Work {
  /** 1e9 floating-point operations of matrix products and convolutions. */
  gigaFlop: number;
  /** 1e9 bytes that the operators read and write, each for itself, as if there were no cache. */
  gigaByte: number;
}

/**
 * The work of one image: frozen backbone for the clean and the noisy image, target, online forward and backward pass.
 * Activations that are computed a second time count once.
 */
export function workOf(problem: Problem): Work {
  const settings = settingsOf({ ...problem, recompute: [] });
  const backbone = [...backboneDeclarations(settings).values()].map(
    ({ name, shape }) => [name, floats(shape, new Float32Array(sizeOf(shape)))] as const,
  );
  const graphs: Graph[] = [
    buildFrozenBackbone(settings, new Map(backbone)),
    buildTarget(settings).graph,
    buildGradients(settings).graph,
  ];
  const costs = graphs.map((graph) => {
    const needed = ancestors(graph.outputs.values());
    return costOf(graph.nodes.filter(({ outputs }) => outputs.some((t) => needed.has(t))));
  });
  const total = (quantity: "products" | "traffic") => costs.reduce((sum, cost) => sum + cost[quantity], 0) / 1e9;
  return { gigaFlop: total("products"), gigaByte: total("traffic") };
}
