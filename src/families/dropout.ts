/** @file Dropout of a family's layers in training: factors that are drawn for each image, as inputs of the graph. */

import { ShapeError } from "../core/errors.js";
import { RandomStream } from "../core/random.js";
import { sizeOf } from "../core/tensor-data.js";
import { Graph } from "../graph/graph.js";
import { type BackboneOptions, backboneChannels, type Pyramid } from "../models/backbone.js";
import { Dropout, NO_DROPOUT } from "../nn/dropout.js";
import { asInputs, Parameters, type Scope } from "../nn/scope.js";
import type { OwnInputs } from "./family.js";
import type { MicroBatchShape, OwnInput, TrainingBatch } from "./training.js";

const NAME = "dropout in ";

/** Drops by the inputs that `droppedInputs` asks for; nothing where there are none, as in inference. */
export function dropoutOf(inputs: OwnInputs = new Map()): Dropout {
  if (![...inputs.keys()].some((name) => name.startsWith(NAME))) return NO_DROPOUT;
  return new Dropout((place, shape) => {
    const factors = inputs.get(NAME + place);
    if (factors?.shape.join() === shape.join()) return factors;
    throw new ShapeError(NAME + place, `an input [${shape}]`, factors ? `[${factors.shape}]` : "none");
  });
}

type DroppedInputs = ReadonlyMap<string, OwnInput>;
type Build = (p: Scope, graph: Graph, dropout: Dropout) => void;

/** The inputs that layers need to drop what they compute: one for each place that they name when `build` makes them. */
export function droppedInputs(build: Build): DroppedInputs {
  const inputs = new Map<string, OwnInput>();
  const graph = new Graph("dropout");
  const dropout = new Dropout((place, shape) => {
    inputs.set(NAME + place, { dtype: "float32", shape });
    return graph.zeros(shape);
  });
  build(new Parameters(asInputs(graph)).root, graph, dropout);
  return inputs;
}

/** By model and shape of a micro-batch. */
const known = new WeakMap<object, Map<string, DroppedInputs>>();

/** The same of a model, which every step asks for: built once for each shape of a micro-batch. */
export function droppedInputsOf(model: object, { images, size }: MicroBatchShape, build: Build): DroppedInputs {
  const ofModel = known.get(model) ?? new Map<string, DroppedInputs>();
  known.set(model, ofModel);
  const shape = [images, ...size].join("x");
  const inputs = ofModel.get(shape) ?? droppedInputs(build);
  ofModel.set(shape, inputs);
  return inputs;
}

/** Maps of the sizes that a backbone gives for a micro-batch, to build on. */
export function placeholderMaps(graph: Graph, backbone: BackboneOptions, { images, size }: MicroBatchShape): Pyramid {
  const maps = backboneChannels(backbone).map((channels, stage) => {
    const [height, width] = size.map((side) => Math.ceil(side / (4 << stage)));
    return graph.zeros([images, channels, height, width]);
  });
  return maps as unknown as Pyramid;
}

/**
 * Values of such inputs for images `first` .. `first + count - 1` of a batch: 0 for a share `rate` of the elements,
 * 1 / (1 - rate) for the others. `inputs`: those of a single image.
 */
export function drawFactors(
  inputs: ReadonlyMap<string, OwnInput>,
  rate: number,
  { seed, step }: Pick<TrainingBatch, "seed" | "step">,
  [first, count]: readonly [first: number, count: number],
): Map<string, Float32Array> {
  const kept = 1 / (1 - rate);
  return new Map(
    [...inputs].map(([purpose, { shape }]) => {
      const size = sizeOf(shape);
      const factors = new Float32Array(count * size);
      for (let i = 0; i < count; i++) {
        const stream = new RandomStream({ seed, step, sample: first + i, purpose });
        stream.fillUniform(factors.subarray(i * size, (i + 1) * size));
      }
      for (let i = 0; i < factors.length; i++) factors[i] = factors[i] < rate ? 0 : kept;
      return [purpose, factors];
    }),
  );
}
