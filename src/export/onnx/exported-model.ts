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
type AnyFamily = ReturnType<typeof familyOf>;

export interface ExportedModel {
  /** Of the family, as people write it. */
  readonly title: string;
  /** What the network needs, no more. */
  readonly weights: Weights;
  readonly network: Network;
  /** Of a model that predicts. */
  readonly description?: ModelDescription;
  readonly rules?: OutputRules;
  /** The task that it is told. */
  readonly asked?: Task;
  /** What this program gives under weights, for images whose shorter side is `edge`. */
  expectation(runtime: Runtime, weights: Weights, edge: number): Promise<OpenExpectation>;
}

/** Of `weights` those that are named. */
const some = (weights: Weights, names: Iterable<string>): Weights =>
  new Map([...names].map((name) => [name, weights.get(name) as TensorData]));

/** What a file is to answer. */
export interface Question {
  /** What a model is asked for that is told its task; by default the form inside, or what it was trained for. */
  readonly task?: Task;
  /** Forms of answer inside the file. */
  readonly forms: ReadonlySet<Task>;
}

/**
 * The model of weights from anywhere.
 * @throws InputError for weights of neither a whole model nor an encoder, and for a question that it cannot be asked
 */
export function exportedModel(stored: StoredWeights, known: KnownModel, question: Question): ExportedModel {
  return known.description ? wholeModel(stored, known, question) : encoder(stored, known, question);
}

/** The one task that a model is asked for. */
function askedOf({ title, condition }: AnyFamily, trained: Task, { task, forms }: Question): Task {
  const [only] = forms;
  const asked = task ?? (forms.size === 1 ? only : trained);
  if (condition && [...forms].some((form) => form !== asked)) {
    throw new InputError({
      where: `--with ${[...forms].join(",")}`,
      expected: `${asked} alone: a file asks a ${title} for one task`,
      found: [...forms].join(" and "),
      fix: "Export a file for each task.",
    });
  }
  if (!condition && task !== undefined && task !== trained) {
    const expected = "a model that is told its task";
    throw new InputError({ where: `--task ${task}`, expected, found: `a ${title}, which answers all at once` });
  }
  return asked;
}

function wholeModel(stored: StoredWeights, known: KnownModel, question: Question): ExportedModel {
  const { weights: all, checkpoint, step, assumed, ...description } = trainedModelOf(stored, known);
  const { architecture, task, classes, inference } = description;
  const family = familyOf(architecture);
  const weights = some(all, inferenceWeights(architecture).keys());
  const asked = askedOf(family, task, question);
  return {
    title: family.title,
    weights,
    network: segmentingNetwork(architecture, weights, asked),
    description,
    ...(family.condition && { asked }),
    rules: {
      ...inference,
      classes,
      queries: sizesOf(architecture).queries,
      panoptic: family.segments.panoptic,
      thingsOnly: task === "panoptic",
    },
    expectation: (runtime, values, edge) =>
      segmentingExpectation(runtime, description, values, { edge, task: asked, forms: question.forms }),
  };
}

function encoder(
  { location, path, shapes, tensors }: StoredWeights,
  { backbone, decoders }: KnownModel,
  { forms }: Question,
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
  if (forms.size > 0) {
    const found = `--with ${[...forms].join(",")}`;
    const fix = "Leave it out, or fine-tune the run first.";
    throw new InputError({ where: location, expected: "nothing but normalise inside: an encoder", found, fix });
  }
  const needed = new Map([...encoderWeights(architecture)].map(([name, { shape }]) => [name, shape]));
  matchWeights(needed, shapes, { source: path, values: tensors, allowUnexpected: [/^/] });
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
