/** @file One function per operator: the vocabulary in which layers and gradients are written. */

import { ShapeError } from "../core/errors.js";
import type { DType, Shape } from "../core/tensor-data.js";
import { sizeOf } from "../core/tensor-data.js";
import type { Tensor } from "./graph.js";
import type { ConvAttributes, Operators, OpName } from "./operators.js";

type Operand = Tensor | number;

function apply<K extends OpName>(op: K, inputs: readonly Operand[], attributes: Operators[K]): readonly Tensor[] {
  const owner = inputs.find((x): x is Tensor => typeof x !== "number");
  if (!owner) throw new ShapeError(op, "at least one tensor", "numbers only");
  const tensors = inputs.map((x) => (typeof x === "number" ? owner.graph.scalar(x) : x));
  return owner.graph.apply(op, tensors, attributes);
}

const binary =
  (op: "Add" | "Sub" | "Mul" | "Div" | "Max" | "Min" | "Greater" | "Less" | "Equal") =>
  (a: Operand, b: Operand): Tensor =>
    apply(op, [a, b], {})[0];
const unary =
  (op: "Neg" | "Sqrt" | "Floor" | "Relu" | "Sigmoid" | "Log" | "Exp" | "Erf" | "Gelu" | "Softmax" | "LogSoftmax") =>
  (x: Tensor): Tensor =>
    apply(op, [x], {})[0];
const reduction =
  (op: "ReduceSum" | "ReduceMean") =>
  (x: Tensor, axes: readonly number[] = x.shape.map((_, i) => i), keepdims = false): Tensor => {
    const reduced = axes.map((a) => (a < 0 ? a + x.shape.length : a));
    const kept = x.shape.map((d, i) => (reduced.includes(i) ? 1 : d));
    const result = keepdims ? kept : kept.filter((_, i) => !reduced.includes(i));
    // ONNX Runtime copies slowly along axes of length 1, and takes five times as long for the middle of [1, P, Q] as
    // for the first axis of [P, Q].
    if (reduced.every((a) => x.shape[a] === 1)) return reshape(x, result);
    const first = Math.min(...reduced);
    const lead = sizeOf(x.shape.slice(0, first)) === 1 ? first : 0;
    const within = { axes: reduced.map((a) => a - lead), keepdims };
    return reshape(apply(op, [reshape(x, x.shape.slice(lead))], within)[0], result);
  };

/** a + b. Of this and the other operators on two values: shapes are broadcast, and a number is a scalar. */
export const add = binary("Add");
/** a - b. */
export const sub = binary("Sub");
/** a b, element by element. */
export const mul = binary("Mul");
/** a / b. */
export const div = binary("Div");
/** The larger of a and b. */
export const max = binary("Max");
/** The smaller of a and b. */
export const min = binary("Min");
/** a > b, as a tensor of bool. */
export const greater = binary("Greater");
/** a < b, as a tensor of bool. */
export const less = binary("Less");
/** a = b, as a tensor of bool. */
export const equal = binary("Equal");
/** -x. */
export const neg = unary("Neg");
/** The square root. */
export const sqrt = unary("Sqrt");
/** The largest whole number up to x. */
export const floor = unary("Floor");
/** max(x, 0). */
export const relu = unary("Relu");
/** 1 / (1 + exp(-x)). */
export const sigmoid = unary("Sigmoid");
/** The natural logarithm. */
export const log = unary("Log");
/** e to the power of x. */
export const exp = unary("Exp");
/** The error function. */
export const erf = unary("Erf");
/** x Phi(x), with the exact error function. */
export const gelu = unary("Gelu");
/** exp(x) over its sum, along the last axis. */
export const softmax = unary("Softmax");
/** The logarithm of `softmax`. */
export const logSoftmax = unary("LogSoftmax");
/**
 * The sum over axes (negative ones count from the last; default all), which `keepdims` leaves in the shape with length
 * 1.
 */
export const reduceSum = reduction("ReduceSum");
/** The mean over axes, which are given as to `reduceSum`. */
export const reduceMean = reduction("ReduceMean");

/** a where the condition holds, b elsewhere. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor => apply("Where", [condition, a, b], {})[0];
/** x as another type. */
export const cast = (x: Tensor, to: DType): Tensor => apply("Cast", [x], { to })[0];

/** Normalises over the last axis; returns y, mean and 1 / standard deviation (kept for the gradient). */
export const layerNormalization = (x: Tensor, scale: Tensor, bias: Tensor, epsilon: number): readonly Tensor[] =>
  apply("LayerNormalization", [x, scale, bias], { epsilon });

/** Which matrices are transposed first, and what the product is multiplied by. */
export interface MatMulOptions {
  transA?: boolean;
  transB?: boolean;
  alpha?: number;
}

/** alpha * op(a) op(b) over the last two axes. */
export const matMul = (a: Tensor, b: Tensor, { transA = false, transB = false, alpha = 1 }: MatMulOptions = {}) =>
  apply("FusedMatMul", [a, b], { transA, transB, alpha })[0];

/** op(a) op(b) + c for matrices. */
export const gemm = (a: Tensor, b: Tensor, c?: Tensor, options: { transA?: boolean; transB?: boolean } = {}): Tensor =>
  apply("Gemm", c ? [a, b, c] : [a, b], { transA: options.transA ?? false, transB: options.transB ?? false })[0];

/** x [N,C,H,W], weights [O,C,kh,kw], bias [O] -> [N,O,H',W']. */
export const conv = (x: Tensor, weights: Tensor, attributes: ConvAttributes, bias?: Tensor): Tensor =>
  apply("Conv", bias ? [x, weights, bias] : [x, weights], attributes)[0];

/** y [N,O,H',W'], weights [O,C,kh,kw] -> [N,C,H,W]: the transpose of conv. */
export const convTranspose = (y: Tensor, weights: Tensor, attributes: Operators["ConvTranspose"]): Tensor =>
  apply("ConvTranspose", [y, weights], attributes)[0];

/** The largest value of each window of x [N,C,H,W]. */
export const maxPool = (x: Tensor, attributes: Operators["MaxPool"]): Tensor => apply("MaxPool", [x], attributes)[0];

/** One size may be -1: it follows from the others. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const known = sizeOf(shape.filter((d) => d !== -1));
  const full = shape.map((d) => (d === -1 ? sizeOf(x.shape) / known : d));
  return full.join() === x.shape.join() ? x : apply("Reshape", [x], { shape: full })[0];
}

/** x with its axes in another order. */
export function transpose(x: Tensor, perm: readonly number[]): Tensor {
  return perm.every((p, i) => p === i) ? x : apply("Transpose", [x], { perm })[0];
}

/** x repeated along its axes of length 1 to a shape. */
export function expand(x: Tensor, shape: Shape): Tensor {
  return shape.join() === x.shape.join() ? x : apply("Expand", [x], { shape })[0];
}

/** Tensors one after the other along an axis. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  return parts.length === 1 ? parts[0] : apply("Concat", parts, { axis })[0];
}

/** x from `start` to before `end` along an axis. */
export function slice(x: Tensor, axis: number, start: number, end: number, step = 1): Tensor {
  return start === 0 && end === x.shape[axis] && step === 1 ? x : apply("Slice", [x], { axis, start, end, step })[0];
}

/** Consecutive pieces of the given sizes along `axis`. */
export function split(x: Tensor, axis: number, sizes: readonly number[]): Tensor[] {
  const ends = sizes.map((_, i) => sizes.slice(0, i + 1).reduce((a, b) => a + b));
  return sizes.map((size, i) => slice(x, axis, ends[i] - size, ends[i]));
}

/** x with zeros around it: how many before each axis, then how many after each. */
export function pad(x: Tensor, pads: readonly number[]): Tensor {
  return pads.every((p) => p === 0) ? x : apply("Pad", [x], { pads })[0];
}

/** Slices of `data` along an axis, in the order of `indices`, whose shape takes the place of the axis. */
export const gather = (data: Tensor, indices: Tensor, axis = 0): Tensor =>
  apply("Gather", [data, indices], { axis })[0];

/** `data` with the slices at `indices` replaced by `updates`, or with `updates` added to them. */
export const scatterND = (data: Tensor, indices: Tensor, updates: Tensor, reduction: "none" | "add"): Tensor =>
  apply("ScatterND", [data, indices, updates], { reduction })[0];

/** Zeros; one tensor a shape and graph, so that they occupy memory once. */
export const zerosLike = (x: Tensor, shape: Shape = x.shape): Tensor => x.graph.zeros(shape);
