/**
 * @file The text branch of OneFormer (text_transformer.py and OneFormer.encode_text): CLIP's text transformer, a
 * projection to the width of the queries, and learned rows behind those of the texts. Training alone has it.
 */

import { floats } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";
import { BLOCKED, multiHeadAttention } from "../nn/attention.js";
import { constant, normal } from "../nn/init.js";
import { layerNorm, linear, perceptron, residual } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { VOCABULARY_SIZE } from "./text-tokens.js";

export interface TextEncoderOptions {
  /** Of the text transformer. */
  readonly width: number;
  readonly layers: number;
  /** Tokens of a text at most. */
  readonly length: number;
  /** Learned rows behind those of the texts. */
  readonly context: number;
}

/** Some texts, each once. */
export interface Texts {
  /** Tokens of T texts, int64 [T, L]: all up to the mark of the end, which does not see what is behind it. */
  readonly tokens: Tensor;
  /** [T, L, 1]: 1 at the mark of the end of a text, which has seen all of it. */
  readonly ends: Tensor;
}

const HEAD_WIDTH = 64;
/** Attention heads of a text transformer, which share its width out evenly. */
export const headsOfText = (width: number): number => Math.max(1, Math.floor(width / HEAD_WIDTH));

/** Parameters under text_encoder: [T, width]. */
export function textEncoder(p: Scope, { tokens, ends }: Texts, { width, layers, length }: TextEncoderOptions): Tensor {
  const { graph } = tokens;
  const [texts, read] = tokens.shape;
  const table = p.in("token_embedding").parameter("weight", [VOCABULARY_SIZE, width], normal(0.02), { decay: false });
  const positions = p.parameter("positional_embedding", [length, width], normal(0.01));
  const rows = g.gather(table, g.reshape(tokens, [texts * read]));
  let x = g.add(g.reshape(rows, [texts, read, width]), g.slice(positions, 0, 0, read));
  const bias = causal(graph, read);
  for (let i = 0; i < layers; i++) {
    const input = x;
    // One text transformer sees the texts of all images: its activations would take more than those of an image.
    [x] = recompute(graph, () => [block(p.in("transformer", "resblocks", i), input, bias, layers)]);
  }
  // The norm looks at each token alone, so it may wait until one is chosen.
  return layerNorm(p.in("ln_final"), g.reduceSum(g.mul(x, ends), [1]));
}

/** Each token sees itself and those before it: [1, length, length]. */
function causal(graph: Graph, length: number): Tensor {
  const bias = Float32Array.from({ length: length * length }, (_, i) =>
    i % length > Math.floor(i / length) ? BLOCKED : 0,
  );
  return graph.constant(floats([1, length, length], bias));
}

function block(p: Scope, x: Tensor, bias: Tensor, layers: number): Tensor {
  const width = x.shape[2];
  const inner = width ** -0.5;
  const outer = inner * (2 * layers) ** -0.5;
  const attended = residual(p.in("ln_1"), x, true, (value) => {
    const inputs = { query: value, key: value, value, bias };
    return multiHeadAttention(p.in("attn"), inputs, headsOfText(width), { inner: normal(inner), outer: normal(outer) });
  });
  return residual(p.in("ln_2"), attended, true, (y) => {
    const hidden = linear(p.in("mlp", "c_fc"), y, 4 * width, { weight: normal((2 * width) ** -0.5) });
    return linear(p.in("mlp", "c_proj"), quickGelu(hidden), width, { weight: normal(outer) });
  });
}

const quickGelu = (x: Tensor) => g.mul(x, g.sigmoid(g.mul(x, 1.702)));

/** Parameters under text_projector: [T, width] -> [T, dim]. */
const textProjection = (p: Scope, x: Tensor, dim: number): Tensor => perceptron(p, x, [dim, dim]);

/**
 * The texts of images as rows beside their queries: [N, Q, dim]. Parameters text_encoder, text_projector and
 * prompt_ctx. `chosen` [N, Q - context, T]: 1 for the text of each row, else 0.
 */
export function textRows(p: Scope, texts: Texts, chosen: Tensor, dim: number, options: TextEncoderOptions): Tensor {
  const encoded = textProjection(p.in("text_projector"), textEncoder(p.in("text_encoder"), texts, options), dim);
  const [images] = chosen.shape;
  const ofImages = g.matMul(chosen, encoded);
  const { context } = options;
  if (context === 0) return ofImages;
  const learned = p.in("prompt_ctx").parameter("weight", [context, dim], normal(), { decay: false });
  return g.concat([ofImages, g.expand(g.reshape(learned, [1, context, dim]), [images, context, dim])], 1);
}

/** The factor of the cosines: learned as its logarithm, at first 1 / temperature. */
export const logitScale = (p: Scope, temperature: number): Tensor =>
  p.in("criterion").parameter("logit_scale", [], constant(Math.log(1 / temperature)));
