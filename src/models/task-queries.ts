/**
 * @file What OneFormer's queries begin with (its task_mlp and class_transformer): a token of the task, and for the
 * other queries what a transformer makes of that token, the queries' positions and the image.
 */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { type Dropout, NO_DROPOUT } from "../nn/dropout.js";
import { caffe2Xavier, zeros } from "../nn/init.js";
import { conv2d, layerNorm, perceptron, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import type { DecoderLayerOptions } from "./decoder-layer.js";
import { detrLayers } from "./detr-decoder.js";
import { sinePositions } from "./position-embedding.js";

/** Numbers of the task's tokens -> its token: [N, length] -> [N, dim]. Parameters under task_mlp. */
export const taskToken = (p: Scope, tokens: Tensor, dim: number): Tensor => perceptron(p, tokens, [dim, dim]);

export interface ClassTransformerOptions extends DecoderLayerOptions {
  layers: number;
}

/** What the class transformer is given. */
export interface ClassTransformerInputs {
  /** The task's token, [N, C], or [1, C] for all images. */
  task: Tensor;
  /** What the transformer makes the other queries of: the token, or nothing where that is not normed. */
  begin: "task" | "zeros";
  /** Positions of the queries, [Q, C]; the last one is the task's own. */
  positions: Tensor;
  /** [N, C', h, w] */
  maskFeatures: Tensor;
}

/**
 * The first contents of the queries, [N, Q, C], that of the task last. Parameters class_input_proj and
 * class_transformer under sem_seg_head.predictor.
 */
export function taskQueries(
  p: Scope,
  { task, begin, positions, maskFeatures }: ClassTransformerInputs,
  options: ClassTransformerOptions,
  dropout: Dropout = NO_DROPOUT,
): Tensor {
  const { graph } = task;
  const dim = task.shape[1];
  const others = positions.shape[0] - 1;
  const [images, , height, width] = maskFeatures.shape;
  const projected = conv2d(p.in("class_input_proj"), maskFeatures, dim, { kernel: 1, init: caffe2Xavier, bias: zeros });
  const places = graph.constant(sinePositions([height, width], dim));
  // As the official code has it: values are the positions alone, and the features are added to the keys.
  const memory = {
    values: g.expand(places, [images, height * width, dim]),
    keys: g.add(toTokens(projected), places),
  };
  const token = g.expand(g.reshape(task, [task.shape[0], 1, dim]), [images, 1, dim]);
  const shape = [images, others, dim];
  const start = begin === "task" ? g.expand(token, shape) : graph.zeros(shape);
  const state = { content: start, position: g.slice(positions, 0, 0, others) };
  const decoder = p.in("class_transformer", "decoder");
  const content = detrLayers(decoder, state, memory, options, dropout).at(-1) ?? state.content;
  return g.concat([layerNorm(decoder.in("norm"), content), token], 1);
}
