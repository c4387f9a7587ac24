/** @file Every operator of the graph, named and defined as its ONNX namesake, with the type of its attributes. */

import type { DType, Shape } from "../core/tensor-data.js";

type None = Record<never, never>;
type Reduction = { axes: readonly number[]; keepdims: boolean };
export type ConvAttributes = {
  strides: readonly [number, number];
  /** top, left, bottom, right */
  pads: readonly [number, number, number, number];
};

/** A new row here does not compile until each pass (infer, gradient, emit, interpret) has a row for it. */
export interface Operators {
  Add: None;
  Sub: None;
  Mul: None;
  Div: None;
  Max: None;
  Min: None;
  Neg: None;
  Sqrt: None;
  Floor: None;
  Relu: None;
  Sigmoid: None;
  Log: None;
  Exp: None;
  Erf: None;
  /** x Phi(x) with Phi the standard normal distribution, by Erf and not by tanh. */
  Gelu: None;
  Greater: None;
  Less: None;
  Equal: None;
  Where: None;
  Cast: { to: DType };
  ReduceSum: Reduction;
  ReduceMean: Reduction;
  /** Over the last axis. */
  Softmax: None;
  /** Logarithm of Softmax, over the last axis. */
  LogSoftmax: None;
  /** (x, scale, bias) over the last axis; outputs y, mean, inverse standard deviation. */
  LayerNormalization: { epsilon: number };
  /** com.microsoft: alpha * op(A) op(B) over the last two axes, batched. */
  FusedMatMul: { transA: boolean; transB: boolean; alpha: number };
  /** op(A) op(B) + C for matrices; C optional and broadcast. */
  Gemm: { transA: boolean; transB: boolean };
  /** (image, weights, bias); the bias is optional. */
  Conv: ConvAttributes;
  /** The input gradient of a strided Conv. Weights [in, out, kh, kw]. */
  ConvTranspose: ConvAttributes & { outputPadding: readonly [number, number] };
  MaxPool: ConvAttributes & { kernel: readonly [number, number] };
  Reshape: { shape: Shape };
  Transpose: { perm: readonly number[] };
  Expand: { shape: Shape };
  Concat: { axis: number };
  /** One axis; `end` exclusive, `step` positive. */
  Slice: { axis: number; start: number; end: number; step: number };
  /** Zeros before and after each axis: [b0, b1, .., e0, e1, ..]. */
  Pad: { pads: readonly number[] };
  Gather: { axis: number };
  /** (data, indices [.., k], updates); duplicates add up when `reduction` is "add". */
  ScatterND: { reduction: "none" | "add" };
}

export type OpName = keyof Operators;
