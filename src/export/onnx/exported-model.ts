/** @file What a checkpoint holds that can leave as ONNX: a model that predicts, or an encoder. */

import { matchWeights } from "../../checkpoint/match-weights.js";
import type { StoredWeights } from "../../checkpoint/read-weights.js";
import { InputError } from "../../core/errors.js";
import type { TensorData } from "../../core/tensor-data.js";
import { type EncoderArchitecture, familyOf, sizesOf } from "../../families/families.js";
import { partOf } from "../../families/family.js";
import type { Task } from "../../masks/segmentation.js";
import { inferenceWeights } from "../../predict/model-graph.js";
import { trainedModelOf } from "../../predict/trained-model.js";
import { encoderArchitecture } from "../../run/architecture.js";
import { encoderWeights } from "../../run/feature-extractor.js";
import { BACKBONES, DECODERS, withParts } from "../../run/model-presets.js";
import type { Runtime } from "../../runtime/contract.js";
import type { KnownModel } from "../../weights/known-model.js";
import type { ModelDescription } from "../../weights/model-description.js";
import { encodingExpectation, type OpenExpectation, segmentingExpectation } from "./expectations.js";
import { encodingNetwork, type Network, segmentingNetwork } from "./network.js";
import type { OutputRules } from "./post-processing.js";

type Weights = ReadonlyMap<string, TensorData>;

export interface ExportedModel {
  /** Of the family, as people write it. */
  readonly title: string;
  /** What the network needs, no more. */
  readonly weights: Weights;
  readonly network: Network;
  /** Of a model that predicts. */
  readonly description?: ModelDescription;
  readonly rules?: OutputRules;
  /** What this program gives under weights, for images whose shorter side is `edge`. */
  expectation(runtime: Runtime, weights: Weights, edge: number, forms: ReadonlySet<Task>): Promise<OpenExpectation>;
}

/** Of `weights` those that are named. */
const some = (weights: Weights, names: Iterable<string>): Weights =>
  new Map([...names].map((name) => [name, weights.get(name) as TensorData]));

/**
 * The model of weights from anywhere; `task` is what one is asked for that is told its task.
 * @throws InputError for weights of neither a whole model nor an encoder
 */
export function exportedModel(stored: StoredWeights, known: KnownModel, task?: Task): ExportedModel {
  return known.description ? wholeModel(stored, known, task) : encoder(stored, known);
}

function wholeModel(stored: StoredWeights, known: KnownModel, asked?: Task): ExportedModel {
  const { weights: all, checkpoint, step, ...description } = trainedModelOf(stored, known);
  const { architecture, task, classes, inference } = description;
  const family = familyOf(architecture);
  const weights = some(all, inferenceWeights(architecture).keys());
  const question = asked ?? task;
  return {
    title: family.title,
    weights,
    network: segmentingNetwork(architecture, weights, question),
    description,
    rules: {
      ...inference,
      classes,
      queries: sizesOf(architecture).queries,
      panoptic: family.segments.panoptic,
      thingsOnly: task === "panoptic",
    },
    expectation: (runtime, values, edge, forms) =>
      segmentingExpectation(runtime, description, values, { edge, task: question, forms }),
  };
}

function encoder(
  { location, path, shapes, tensors }: StoredWeights,
  { backbone, decoders }: KnownModel,
): ExportedModel {
  const architecture = encoderOf({ backbone, decoders });
  const { title, prefixes } = familyOf(architecture);
  if (!backbone || ![...shapes.keys()].some((name) => partOf(prefixes, name) === "pixel-decoder")) {
    throw new InputError({
      where: location,
      expected: "a model that predicts, or the encoder of a pretraining run",
      found: backbone ? "a backbone alone" : "neither",
      fix: "Fine-tune it first: mask-jepa finetune --from.",
    });
  }
  const needed = new Map([...encoderWeights(architecture)].map(([name, { shape }]) => [name, shape]));
  matchWeights(needed, shapes, { source: path, allowUnexpected: [/^/] });
  const weights = some(tensors, needed.keys());
  return {
    title,
    weights,
    network: encodingNetwork(architecture, weights),
    expectation: (runtime, values) => encodingExpectation(runtime, architecture, values),
  };
}

function encoderOf(parts: Pick<KnownModel, "backbone" | "decoders">): EncoderArchitecture {
  const settings = withParts({ ...BACKBONES.resnet50, ...DECODERS }, parts);
  const architecture = encoderArchitecture(settings, []);
  return familyOf(architecture).forInference(architecture);
}
