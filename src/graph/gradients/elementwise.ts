/** @file Gradients of elementwise operators, reductions and normalisations. */

import {
  add,
  cast,
  div,
  erf,
  exp,
  expand,
  greater,
  less,
  mul,
  neg,
  reduceMean,
  reduceSum,
  reshape,
  softmax,
  sub,
  where,
} from "../build.js";
import type { Tensor } from "../graph.js";
import type { Operators } from "../operators.js";
import type { GradientRule } from "./rule.js";

/** The shape of x with the reduced axes kept as 1. */
const keptShape = (x: Tensor, axes: readonly number[]) => x.shape.map((d, i) => (axes.includes(i) ? 1 : d));

const count = (x: Tensor, axes: readonly number[]) => axes.reduce((n, a) => n * x.shape[a], 1);

/** y depends on x by steps only: the derivative is zero wherever it exists. */
const flat: GradientRule<unknown> = ({ inputs }) => inputs.map(() => null);

const isConstant = (x: Tensor, value: number) =>
  x.source.kind === "constant" && (x.source.data.data as Float32Array).every((v) => v === value);

/** xhat = (x - mean) * r;  dx = r * (g - mean(g) - xhat * mean(g * xhat)) with g = dy * scale, r = 1 / deviation. */
const layerNormalizationRule: GradientRule<Operators["LayerNormalization"]> = ({ inputs, outputs, dy }) => {
  const [x, scale] = inputs;
  const [, mean, inverseDeviation] = outputs;
  const xhat = mul(sub(x, mean), inverseDeviation);
  return [
    () => {
      const g = isConstant(scale, 1) ? dy : mul(dy, scale);
      const projected = mul(xhat, reduceMean(mul(g, xhat), [-1], true));
      return mul(sub(sub(g, reduceMean(g, [-1], true)), projected), inverseDeviation);
    },
    () => mul(dy, xhat),
    () => dy,
  ];
};

/**
 * d(x Phi(x))/dx = Phi(x) + x phi(x), with Phi(x) = (1 + erf(x / sqrt 2)) / 2 and phi(x) = exp(-x^2 / 2) / sqrt(2 pi).
 */
function geluSlope(x: Tensor): Tensor {
  const distribution = add(mul(erf(mul(x, Math.SQRT1_2)), 0.5), 0.5);
  const density = mul(exp(mul(mul(x, x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  return add(distribution, mul(x, density));
}

export const ELEMENTWISE = {
  Add: ({ dy }) => [() => dy, () => dy],
  Sub: ({ dy }) => [() => dy, () => neg(dy)],
  Mul: ({ inputs: [a, b], dy }) => [() => mul(dy, b), () => mul(dy, a)],
  // d(a/b)/db = -y/b
  Div: ({ inputs: [, b], outputs: [y], dy }) => [() => div(dy, b), () => neg(div(mul(dy, y), b))],
  Max: ({ inputs: [a, b], dy }) => [() => where(less(a, b), 0, dy), () => where(less(a, b), dy, 0)],
  Min: ({ inputs: [a, b], dy }) => [() => where(less(b, a), 0, dy), () => where(less(b, a), dy, 0)],
  Neg: ({ dy }) => [() => neg(dy)],
  // d sqrt(x) = dx / (2 y)
  Sqrt: ({ outputs: [y], dy }) => [() => div(dy, mul(y, 2))],
  Floor: flat,
  // As a product: ONNX Runtime's Where takes almost twice as long.
  Relu: ({ outputs: [y], dy }) => [() => mul(dy, cast(greater(y, 0), "float32"))],
  // d sigmoid(x) = y (1 - y) dx
  Sigmoid: ({ outputs: [y], dy }) => [() => mul(dy, mul(y, sub(1, y)))],
  Log: ({ inputs: [x], dy }) => [() => div(dy, x)],
  Exp: ({ outputs: [y], dy }) => [() => mul(dy, y)],
  // d erf(x) = 2 / sqrt(pi) exp(-x^2) dx
  Erf: ({ inputs: [x], dy }) => [() => mul(mul(dy, exp(neg(mul(x, x)))), 2 / Math.sqrt(Math.PI))],
  Gelu: ({ inputs: [x], dy }) => [() => mul(dy, geluSlope(x))],
  Greater: flat,
  Less: flat,
  Equal: flat,
  Where: ({ inputs: [condition], dy }) => [null, () => where(condition, dy, 0), () => where(condition, 0, dy)],
  Cast: flat,
  ReduceSum: ({ inputs: [x], attributes: { axes }, dy }) => [() => expand(reshape(dy, keptShape(x, axes)), x.shape)],
  ReduceMean: ({ inputs: [x], attributes: { axes }, dy }) => [
    () => expand(reshape(mul(dy, 1 / count(x, axes)), keptShape(x, axes)), x.shape),
  ],
  // dx = y * (dy - sum(dy * y))
  Softmax: ({ outputs: [y], dy }) => [() => mul(y, sub(dy, reduceSum(mul(dy, y), [-1], true)))],
  // dx = dy - softmax(x) sum(dy)
  LogSoftmax: ({ inputs: [x], dy }) => [() => sub(dy, mul(softmax(x), reduceSum(dy, [-1], true)))],
  LayerNormalization: layerNormalizationRule,
} satisfies { [K in keyof Operators]?: GradientRule<Operators[K]> };
