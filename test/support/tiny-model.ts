/** @file A segmentation model with random weights that predicts in milliseconds, and the checkpoint of one. */

import type { JsonObject } from "../../src/checkpoint/checkpoint.js";
import { saveCheckpoint } from "../../src/checkpoint/run-state.js";
import type { TensorData } from "../../src/core/tensor-data.js";
import { type Architecture, familyOf } from "../../src/families/families.js";
import { segment } from "../../src/families/family.js";
import { Graph } from "../../src/graph/graph.js";
import type { Task } from "../../src/masks/segmentation.js";
import { asInputs, initialValue, Parameters } from "../../src/nn/scope.js";
import { conditionInputs } from "../../src/predict/model-graph.js";
import type { ModelDescription } from "../../src/weights/model-description.js";

const ARCHITECTURE: Architecture = {
  family: "mask2former",
  backbone: {
    kind: "resnet50",
    stemChannels: 8,
    stageBlocks: [1, 1, 1, 1],
    stageChannels: [8, 16, 32, 64],
    norm: "batch",
  },
  pixelDecoder: { hiddenDim: 32, heads: 4, points: 2, layers: 1, feedForwardDim: 32, normGroups: 4 },
  transformerDecoder: {
    hiddenDim: 32,
    maskDim: 32,
    queries: 8,
    layers: 2,
    classes: 4,
    heads: 4,
    feedForwardDim: 32,
  },
};

/** Every query is kept, however unsure, so that random weights give pictures. */
export function tinyModel(task: Task): ModelDescription {
  return {
    task,
    classes: ["sky", "ground", "tree", "cone"].map((name, i) => ({
      id: 10 * (i + 1),
      name,
      isThing: i >= 2,
      color: [60 * i, 200 - 40 * i, 120],
    })),
    architecture: ARCHITECTURE,
    inference: { shortEdge: 64, longEdge: 96, objectThreshold: 0, overlapThreshold: 0, topK: 10 },
  };
}

/** Starting weights of a seed of a model of 4 classes, whose biases are spread out so that some are chosen. */
export function tinyWeights(seed = 0, architecture = ARCHITECTURE): Map<string, TensorData<"float32">> {
  const graph = new Graph("tiny");
  const { root, declarations } = new Parameters(asInputs(graph));
  const asked = [...conditionInputs(architecture)];
  const own = new Map(asked.map(([name, { dtype, shape }]) => [name, graph.input(name, dtype, shape)]));
  segment(familyOf(architecture), root, graph.input("image", "float32", [1, 3, 32, 32]), architecture, own);
  const weights = new Map(
    Array.from(declarations, ([name, declared]) => [name, initialValue(declared, seed)] as const),
  );
  for (const name of ["query_feat", "query_embed"]) {
    const data = weights.get(`sem_seg_head.predictor.${name}.weight`)?.data ?? [];
    for (let i = 0; i < data.length; i++) data[i] *= 3;
  }
  weights.get("sem_seg_head.predictor.class_embed.bias")!.data.set([0.5, 0.5, 0.5, 0.5, -1]);
  return weights;
}

/** Layers whose weights are random numbers close to 0, and by what they are multiplied to make queries differ. */
const SHY = /\.(class_embed|mask_embed\.layers\.2)\.weight$/;
const BOLDNESS = 10;

/** The same of seed 0 with answers that depend on the image: queries differ, and so do the places they sample. */
export function vividWeights(architecture = ARCHITECTURE): Map<string, TensorData<"float32">> {
  const weights = tinyWeights(0, architecture);
  for (const [name, { data }] of weights) {
    const isConstant = /\.(sampling_offsets|attention_weights)\.weight$/.test(name);
    if (isConstant) for (let i = 0; i < data.length; i++) data[i] = 0.1 * Math.sin(12.9898 * i);
    if (SHY.test(name)) for (let i = 0; i < data.length; i++) data[i] *= BOLDNESS;
  }
  return weights;
}

/** Saves the model as fine-tuning does; returns the run's folder. */
export async function saveTinyModel(run: string, model: ModelDescription, weights = tinyWeights()): Promise<string> {
  const state = JSON.parse(JSON.stringify({ kind: "finetune", model })) as JsonObject;
  await saveCheckpoint(run, { step: 3, tensors: { model: weights }, state, keep: 1 });
  return run;
}
