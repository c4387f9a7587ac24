/** @file Linear, convolution, normalisation and resizing layers. */

import { interpolation } from "../core/resample.js";
import { floats, type Grid } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { NO_DROPOUT } from "./dropout.js";
import { type Initialiser, ones, torchBias, torchWeight, xavierUniform, zeros } from "./init.js";
import type { Scope } from "./scope.js";

const EPSILON = 1e-5;

/** How the parameters of a linear layer begin. */
export interface LinearInit {
  weight?: Initialiser;
  bias?: Initialiser;
}

/** x [.., in] -> [.., out]; parameters weight [out, in], bias [out]. */
export function linear(p: Scope, x: Tensor, out: number, init: LinearInit = {}): Tensor {
  const { weight, bias } = linearParameters(p, x.shape.at(-1) as number, out, init);
  return project(x, weight, bias);
}

/** What `linear` makes of x: parameters weight [out, inputs] and bias [out]. */
export function linearParameters(p: Scope, inputs: number, out: number, init: LinearInit = {}) {
  return {
    weight: p.parameter("weight", [out, inputs], init.weight ?? torchWeight),
    bias: p.parameter("bias", [out], init.bias ?? torchBias(inputs)),
  };
}

/** x [.., in] W^T + b for W [out, in]. */
export function project(x: Tensor, weight: Tensor, bias: Tensor): Tensor {
  const rows = g.reshape(x, [-1, x.shape.at(-1) as number]);
  return g.reshape(g.gemm(rows, weight, bias, { transB: true }), [...x.shape.slice(0, -1), weight.shape[0]]);
}

/** Size and steps of a convolution, and how its parameters begin. */
export interface ConvOptions {
  kernel: number;
  stride?: number;
  padding?: number;
  init: Initialiser;
  bias?: Initialiser;
}

/** Linear layers to these widths with ReLU between them; parameters layers.0, layers.1, .. */
export function perceptron(p: Scope, x: Tensor, widths: readonly number[]): Tensor {
  return widths.reduce((y, width, i) => linear(p.in("layers", i), i > 0 ? g.relu(y) : y, width), x);
}

/** x [N,C,H,W] -> [N,out,H',W']; parameters weight [out,C,k,k] and, when given an initialiser, bias [out]. */
export function conv2d(p: Scope, x: Tensor, out: number, options: ConvOptions): Tensor {
  const { kernel, stride = 1, padding = 0, init, bias } = options;
  const weight = p.parameter("weight", [out, x.shape[1], kernel, kernel], init);
  const offset = bias && p.parameter("bias", [out], bias);
  return g.conv(x, weight, { strides: [stride, stride], pads: [padding, padding, padding, padding] }, offset);
}

const onesOf = (x: Tensor, size: number) => x.graph.constant(floats([size], new Float32Array(size).fill(1)));
const zerosOf = (x: Tensor, size: number) => x.graph.constant(floats([size], new Float32Array(size)));

/** Zero mean and unit variance over the last axis, without affine. Returns also mean and 1/deviation [.., 1]. */
export function standardize(x: Tensor): readonly Tensor[] {
  const width = x.shape.at(-1) as number;
  return g.layerNormalization(x, onesOf(x, width), zerosOf(x, width), EPSILON);
}

/** Layer normalisation over the last axis; weight decay does not apply to it. */
export function layerNorm(p: Scope, x: Tensor): Tensor {
  const width = x.shape.at(-1) as number;
  const weight = p.parameter("weight", [width], ones, { decay: false });
  const bias = p.parameter("bias", [width], zeros, { decay: false });
  return g.layerNormalization(x, weight, bias, EPSILON)[0];
}

/** x [N,C,..] * scale[C] + shift[C]. */
function perChannel(x: Tensor, scale: Tensor, shift: Tensor): Tensor {
  const shape = [x.shape[1], ...x.shape.slice(2).map(() => 1)];
  return g.add(g.mul(x, g.reshape(scale, shape)), g.reshape(shift, shape));
}

/** Group normalisation of x [N,C,H,W] (Wu and He 2018). */
export function groupNorm(p: Scope, x: Tensor, groups: number): Tensor {
  const [n, c] = x.shape;
  const weight = p.parameter("weight", [c], ones, { decay: false });
  const bias = p.parameter("bias", [c], zeros, { decay: false });
  const normalized = g.reshape(standardize(g.reshape(x, [n * groups, -1]))[0], x.shape);
  return perChannel(normalized, weight, bias);
}

/** Normalisation after a convolution: batch norm in one of its two ways, or group norm. */
export type ConvNormMode = "frozen" | "batch" | { readonly groups: number };

/**
 * Convolution without bias, then normalisation, in detectron2's names (conv.weight, conv.norm.*).
 * "frozen": FrozenBN, the affine and the statistics are buffers, folded into the convolution.
 * "batch": statistics of this batch; the affine is trained, the statistics are reported for the running buffers.
 * groups: group norm, which looks at one image alone, in training as in use.
 */
export function convNorm(p: Scope, x: Tensor, out: number, options: ConvOptions, mode: ConvNormMode): Tensor {
  const norm = p.in("norm");
  if (typeof mode === "object") return groupNorm(norm, conv2d(p, x, out, options), mode.groups);
  if (mode === "batch") return batchNorm(norm, conv2d(p, x, out, options));
  const { kernel, stride = 1, padding = 0, init } = options;
  const weight = p.parameter("weight", [out, x.shape[1], kernel, kernel], init);
  const affine = norm.buffer("weight", [out], ones);
  const bias = norm.buffer("bias", [out], zeros);
  const mean = norm.buffer("running_mean", [out], zeros);
  const variance = norm.buffer("running_var", [out], ones);
  // y = (W x) s + (b - mean s) with s = affine / sqrt(var + eps), so W may take s before it meets x.
  const scale = g.div(affine, g.sqrt(g.add(variance, EPSILON)));
  const scaled = g.mul(weight, g.reshape(scale, [out, 1, 1, 1]));
  const shift = g.sub(bias, g.mul(mean, scale));
  return g.conv(x, scaled, { strides: [stride, stride], pads: [padding, padding, padding, padding] }, shift);
}

function batchNorm(p: Scope, x: Tensor): Tensor {
  const [n, c, h, w] = x.shape;
  const weight = p.parameter("weight", [c], ones, { decay: false });
  const bias = p.parameter("bias", [c], zeros, { decay: false });
  p.buffer("running_mean", [c], zeros);
  p.buffer("running_var", [c], ones);
  const byChannel = (t: Tensor) => (n === 1 ? t : g.transpose(t, [1, 0, 2, 3]));
  const [normalized, mean, inverseDeviation] = standardize(g.reshape(byChannel(x), [c, n * h * w]));
  const count = n * h * w;
  // The running variance follows the unbiased estimate, as in PyTorch.
  const variance = g.sub(g.div(1, g.mul(inverseDeviation, inverseDeviation)), EPSILON);
  p.observe("running_mean", g.reshape(mean, [c]));
  p.observe("running_var", g.reshape(g.mul(variance, count / Math.max(1, count - 1)), [c]));
  return perChannel(byChannel(g.reshape(normalized, n === 1 ? x.shape : [c, n, h, w])), weight, bias);
}

/**
 * W2 relu(W1 x), the feed-forward block of DETR without its residual and norm; parameters linear1, linear2. `dropout`
 * has a place "inside" it.
 */
export function feedForward(p: Scope, x: Tensor, hidden: number, dropout = NO_DROPOUT): Tensor {
  const width = x.shape.at(-1) as number;
  const inner = g.relu(linear(p.in("linear1"), x, hidden, { weight: xavierUniform }));
  return linear(p.in("linear2"), dropout.apply(inner, "inside"), width, { weight: xavierUniform });
}

/** Residual around `branch`, with the layer norm after the sum (post-norm) or before the branch (pre-norm). */
export function residual(norm: Scope, x: Tensor, preNorm: boolean, branch: (x: Tensor) => Tensor): Tensor {
  return preNorm ? g.add(x, branch(layerNorm(norm, x))) : layerNorm(norm, g.add(x, branch(x)));
}

/** Weights [to, from] of one axis of a bilinear resize without antialias (align_corners false, edges clamped). */
export function bilinearWeights(from: number, to: number): Float32Array {
  const { low, fraction } = interpolation(from, to);
  const weights = new Float32Array(to * from);
  low.forEach((first, i) => {
    weights[i * from + first] = 1 - fraction[i];
    if (fraction[i] > 0) weights[i * from + first + 1] = fraction[i];
  });
  return weights;
}

/** The input that each output of a nearest resize of one axis takes, in PyTorch's arithmetic: float32, rounded down. */
export function nearestSources(from: number, to: number): Int32Array {
  const scale = Math.fround(from / to);
  return Int32Array.from({ length: to }, (_, i) => Math.min(Math.floor(Math.fround(i * scale)), from - 1));
}

/** Weights [to, from] of one axis of a nearest resize. */
export function nearestWeights(from: number, to: number): Float32Array {
  const weights = new Float32Array(to * from);
  nearestSources(from, to).forEach((source, i) => {
    weights[i * from + source] = 1;
  });
  return weights;
}

/** Resizes x [.., H, W] by two matrix products, which differentiate and run everywhere. */
const resizedBy =
  (weightsOf: (from: number, to: number) => Float32Array) =>
  (x: Tensor, [height, width]: Grid): Tensor => {
    const [h, w] = x.shape.slice(-2);
    const axis = (from: number, to: number) => x.graph.constant(floats([to, from], weightsOf(from, to)));
    const wide = w === width ? x : g.matMul(x, axis(w, width), { transB: true });
    return h === height ? wide : g.matMul(axis(h, height), wide);
  };

/** Bilinear resize of x [.., H, W] to a size. */
export const resizeBilinear = resizedBy(bilinearWeights);
/** Nearest resize of x [.., H, W] to a size. */
export const resizeNearest = resizedBy(nearestWeights);

/** Mean over blocks of x [N,C,H,W], block sizes dividing H and W: [N,C,H/b,W/b]. */
export function areaAverage(x: Tensor, block: number): Tensor {
  const [n, c, h, w] = x.shape;
  return g.reduceMean(g.reshape(x, [n, c, h / block, block, w / block, block]), [3, 5]);
}

/** [N,C,H,W] -> [N,H*W,C]. */
export function toTokens(x: Tensor): Tensor {
  const [n, c, h, w] = x.shape;
  return g.transpose(g.reshape(x, [n, c, h * w]), [0, 2, 1]);
}

/** [N,H*W,C] -> [N,C,H,W]. */
export function toMap(tokens: Tensor, [h, w]: Grid): Tensor {
  const [n, , c] = tokens.shape;
  return g.reshape(g.transpose(tokens, [0, 2, 1]), [n, c, h, w]);
}
