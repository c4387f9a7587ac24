/** @file The network as inference runs it: one image of a fixed padded size, the last prediction only. */

import type { Size } from "../core/image.js";
import type { Shape } from "../core/tensor-data.js";
import { type Architecture, familyOf } from "../families/families.js";
import { answerOf, segment } from "../families/family.js";
import { Graph } from "../graph/graph.js";
import { asInputs, type Binding, Parameters } from "../nn/scope.js";

/** Names of the graph's input and outputs beside the weights. */
export const IMAGE = "image";
export const LOGITS = "logits";
export const MASKS = "masks";

/**
 * image [1, 3, H, W] -> logits [1, Q, classes + 1] and mask logits [1, Q, H/4, W/4].
 * @param bind how weights enter the graph
 */
export function inferenceGraph(model: Architecture, { width, height }: Size, bind: (graph: Graph) => Binding): Graph {
  const graph = new Graph(`inference ${width}x${height}`);
  const image = graph.input(IMAGE, "float32", [1, 3, height, width]);
  const family = familyOf(model);
  const output = answerOf(segment(family, new Parameters(bind(graph)).root, image, family.forInference(model)));
  graph.output(LOGITS, output.logits);
  graph.output(MASKS, output.masks);
  return graph;
}

/** Names and shapes of the weights that inference needs. */
export function inferenceWeights(model: Architecture): Map<string, Shape> {
  const graph = new Graph("weights");
  const parameters = new Parameters(asInputs(graph));
  const family = familyOf(model);
  segment(family, parameters.root, graph.input(IMAGE, "float32", [1, 3, 32, 32]), family.forInference(model));
  return new Map([...parameters.declarations].map(([name, { shape }]) => [name, shape]));
}
