/** @file The network as inference runs it: one image of a fixed padded size, the last prediction only. */

import type { Shape } from "../core/tensor-data.js";
import { Graph } from "../graph/graph.js";
import { type Mask2FormerOptions, mask2former } from "../models/mask2former.js";
import { asInputs, type Binding, Parameters } from "../nn/scope.js";
import type { Size } from "./network-output.js";

/** Names of the graph's input and outputs beside the weights. */
export const IMAGE = "image";
export const LOGITS = "logits";
export const MASKS = "masks";

/** Sampled rows of deformable attention in memory at once: all of a layer's would be 1 GB for 800 x 1216 pixels. */
const ROW_BYTES = 2 ** 23;

/** Whatever training did, batch norms use their running statistics, and nothing is dropped or kept for a gradient. */
function forInference({ backbone, pixelDecoder, ...rest }: Mask2FormerOptions): Mask2FormerOptions {
  return {
    ...rest,
    backbone:
      backbone.kind === "swin"
        ? { ...backbone, dropPath: 0, keep: undefined, recomputeBlocks: false }
        : { ...backbone, norm: backbone.norm === "batch" ? "frozen" : backbone.norm, recomputeBlocks: false },
    pixelDecoder: { ...pixelDecoder, recomputeLayers: false, recomputeRows: false, rowBytes: ROW_BYTES },
  };
}

/**
 * image [1, 3, H, W] -> logits [1, Q, classes + 1] and mask logits [1, Q, H/4, W/4].
 * @param bind how weights enter the graph
 */
export function inferenceGraph(
  options: Mask2FormerOptions,
  { width, height }: Size,
  bind: (graph: Graph) => Binding,
): Graph {
  const graph = new Graph(`inference ${width}x${height}`);
  const image = graph.input(IMAGE, "float32", [1, 3, height, width]);
  const output = mask2former(new Parameters(bind(graph)).root, image, forInference(options)).at(-1)!;
  graph.output(LOGITS, output.logits);
  graph.output(MASKS, output.masks);
  return graph;
}

/** Names and shapes of the weights that inference needs. */
export function inferenceWeights(options: Mask2FormerOptions): Map<string, Shape> {
  const graph = new Graph("weights");
  const parameters = new Parameters(asInputs(graph));
  mask2former(parameters.root, graph.input(IMAGE, "float32", [1, 3, 32, 32]), forInference(options));
  return new Map([...parameters.declarations].map(([name, { shape }]) => [name, shape]));
}
