/** @file Networks as whoever writes a file sees them: a graph at any size, weights, and what the outputs are called. */

import type { Shape, TensorData } from "../../core/tensor-data.js";
import { MULTIPLE } from "../../data/test-input.js";
import { type Architecture, type EncoderArchitecture, familyOf } from "../../families/families.js";
import type { Graph } from "../../graph/graph.js";
import type { Task } from "../../masks/segmentation.js";
import { addDynamic } from "../../onnx/dynamic.js";
import { toOnnx } from "../../onnx/emit.js";
import type { NodeBuilder } from "../../onnx/node-builder.js";
import type { OnnxInitializer } from "../../onnx/protobuf.js";
import { pointsOf } from "../../onnx/size-expressions.js";
import { conditionsOf, IMAGE, LOGITS, MASKS, uncutGraph } from "../../predict/model-graph.js";
import { FEATURES, featureGraph } from "../../run/feature-extractor.js";
import { FORMULAS } from "./formulas.js";
import type { ImageInput } from "./image-input.js";

type Weights = ReadonlyMap<string, TensorData>;

/** An output of a network, and what it is called in the graph. */
export interface NamedOutput {
  readonly name: string;
  readonly inGraph: string;
}

export interface Network {
  /** The graph for images of a shape, with its weights as inputs. */
  graph(shape: readonly [images: number, height: number, width: number]): Graph;
  /** What its inputs beside the image hold. */
  readonly weights: Weights;
  /** Whether it has the same nodes at every height and width. */
  readonly anySize: boolean;
  readonly outputs: readonly NamedOutput[];
}

/** The names of Hugging Face's models. */
export const CLASS_LOGITS = "class_queries_logits";
export const MASK_LOGITS = "masks_queries_logits";
export const MASK_FEATURES = "mask_features";

/** Windows of a Swin Transformer lie differently on each size. */
const fitsAnySize = (encoder: EncoderArchitecture) => familyOf(encoder).backboneOf(encoder).kind !== "swin";

/** A model that segments; `task` is what one is asked for that has an input for it. */
export function segmentingNetwork(architecture: Architecture, weights: Weights, task: Task): Network {
  return {
    graph: (shape) => uncutGraph(architecture, shape),
    weights: new Map([...weights, ...conditionsOf(architecture, task)]),
    anySize: fitsAnySize(architecture),
    outputs: [
      { name: CLASS_LOGITS, inGraph: LOGITS },
      { name: MASK_LOGITS, inGraph: MASKS },
    ],
  };
}

/** Backbone and pixel decoder: images to F_last, the map at stride 4 that masks are predicted from. */
export function encodingNetwork(encoder: EncoderArchitecture, weights: Weights): Network {
  return {
    graph: (shape) => featureGraph(encoder, shape, { tileBytes: Number.POSITIVE_INFINITY }).graph,
    weights,
    anySize: fitsAnySize(encoder),
    outputs: [{ name: MASK_FEATURES, inGraph: FEATURES }],
  };
}

/** A network inside a model. */
export interface AddedNetwork {
  readonly initializers: readonly OnnxInitializer[];
  /** What each output is called in the builder, and its shape for two images of the smallest size. */
  readonly outputs: ReadonlyMap<string, { readonly value: string; readonly shape: Shape }>;
}

/** Numbers of images, and of rows and columns of 32 pixels, at which graphs are built; the last one checks the fit. */
const IMAGES = [2, 3] as const;
const RANGES = [IMAGES, [2, 3], [3, 4]] as const;
const FURTHER = [[4, 5, 2]];
const FURTHER_IMAGES = [[4]];

/** Adds the nodes of a network for any number of images, and any size or that of the input. Throws ShapeError. */
export function addNetwork(builder: NodeBuilder, network: Network, image: ImageInput): AddedNetwork {
  const { fixed, planes, images, rows, columns } = image;
  const points = fixed ? pointsOf([IMAGES], FURTHER_IMAGES) : pointsOf(RANGES, FURTHER);
  const shapeAt = ([count, h, w]: readonly number[]): [number, number, number] =>
    fixed ? [count, fixed.height, fixed.width] : [count, MULTIPLE * h, MULTIPLE * w];
  const models = points.map((point, p) =>
    toOnnx(network.graph(shapeAt(point)), { form: "standard", opset: builder.opset, verified: p > 0 }),
  );
  const values = addDynamic({
    builder,
    points,
    models,
    sizes: fixed ? [images] : [images, rows, columns],
    inputs: new Map([[IMAGE, planes]]),
    formulas: fixed ? [] : FORMULAS,
  });
  const [{ inputs, outputs }] = models;
  const shapes = new Map(outputs.map(({ name, shape }) => [name, shape]));
  return {
    initializers: inputs
      .filter(({ name }) => name !== IMAGE)
      .map(({ name }) => ({ name, tensor: network.weights.get(name) as TensorData })),
    outputs: new Map(
      network.outputs.map(({ name, inGraph }) => [
        name,
        { value: values.get(inGraph) as string, shape: shapes.get(inGraph) as Shape },
      ]),
    ),
  };
}
