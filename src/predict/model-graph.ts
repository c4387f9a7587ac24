/** @file The network as inference runs it: one image of a fixed padded size, the last prediction only. */

import type { Size } from "../core/image.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import { type Architecture, familyOf } from "../families/families.js";
import { answerOf, segment } from "../families/family.js";
import type { OwnInput } from "../families/training.js";
import { expand } from "../graph/build.js";
import { Graph, type Tensor } from "../graph/graph.js";
import { TASKS, type Task } from "../masks/segmentation.js";
import type { Prediction } from "../models/prediction-heads.js";
import { asInputs, type Binding, Parameters } from "../nn/scope.js";

/** Names of the graph's input and outputs beside the weights. */
export const IMAGE = "image";
export const LOGITS = "logits";
export const MASKS = "masks";

/** Inputs of the family's own that ask for an answer; none for most. */
export const conditionInputs = (model: Architecture): ReadonlyMap<string, OwnInput> => conditionsOf(model, TASKS[0]);

/** What these inputs hold to ask for the answer to a task. */
export function conditionsOf(model: Architecture, task: Task): ReadonlyMap<string, TensorData> {
  return familyOf(model).condition?.(task) ?? new Map();
}

function answer(
  graph: Graph,
  parameters: Parameters,
  model: Architecture,
  [images, height, width]: readonly number[],
): Prediction {
  const image = graph.input(IMAGE, "float32", [images, 3, height, width]);
  const own = new Map<string, Tensor>();
  for (const [name, { dtype, shape }] of conditionInputs(model)) {
    const asked = graph.input(name, dtype, shape);
    own.set(name, images === 1 ? asked : expand(asked, [images, ...shape.slice(1)])); // the same of each image
  }
  const family = familyOf(model);
  return answerOf(segment(family, parameters.root, image, family.forInference(model), own));
}

/**
 * image [1, 3, H, W], and inputs of the family's own, -> logits [1, Q, classes + 1] and mask logits [1, Q, H/4, W/4].
 * @param bind how weights enter the graph
 */
export function inferenceGraph(model: Architecture, { width, height }: Size, bind: (graph: Graph) => Binding): Graph {
  const graph = new Graph(`inference ${width}x${height}`);
  const { logits, masks } = answer(graph, new Parameters(bind(graph)), model, [1, height, width]);
  graph.output(LOGITS, logits);
  graph.output(MASKS, masks);
  return graph;
}

/**
 * The same for several images [N, 3, H, W], with weights as inputs, and uncut: for any N of 2 and more, and any H and W
 * above 32, it has the same nodes where its backbone has.
 */
export function uncutGraph(
  model: Architecture,
  shape: readonly [images: number, height: number, width: number],
): Graph {
  const graph = new Graph(`network ${shape.join("x")}`, Number.POSITIVE_INFINITY);
  const { logits, masks } = answer(graph, new Parameters(asInputs(graph)), model, shape);
  graph.output(LOGITS, logits);
  graph.output(MASKS, masks);
  return graph;
}

/** Names and shapes of the weights that inference needs. */
export function inferenceWeights(model: Architecture): Map<string, Shape> {
  const graph = new Graph("weights");
  const parameters = new Parameters(asInputs(graph));
  answer(graph, parameters, model, [1, 32, 32]);
  return new Map([...parameters.declarations].map(([name, { shape }]) => [name, shape]));
}
