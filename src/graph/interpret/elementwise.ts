/** @file Elementwise operators, reductions and normalisations, by definition. */

import { type DType, sizeOf } from "../../core/tensor-data.js";
import type { Operators } from "../operators.js";
import { broadcastStrides, type Kernel, offsets, pick } from "./value.js";

/** Every input broadcast to the shape of the output, then `f` element by element. */
function elementwise(f: (values: readonly number[], dtype: DType) => number): Kernel<unknown> {
  return (inputs, _, [{ shape }]) => {
    const broadcast = inputs.map((x) => pick(x.data, offsets(shape, broadcastStrides(x.shape, shape))));
    const dtype = inputs[0].dtype;
    return [
      Float64Array.from({ length: sizeOf(shape) }, (_, i) =>
        f(
          broadcast.map((x) => x[i]),
          dtype,
        ),
      ),
    ];
  };
}

const CASTS: Record<DType, (x: number) => number> = {
  float32: (x) => x,
  float64: (x) => x,
  int64: Math.trunc,
  int32: Math.trunc,
  uint8: Math.trunc,
  bool: (x) => Number(x !== 0),
};

/** erf(x) = 2 / sqrt(pi) exp(-x^2) sum_n x (2 x^2)^n / (1 3 5 .. (2n + 1)), whose terms have one sign. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x); // up to 3e-17
  let sum = 0;
  let term = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    sum += term;
    term *= (2 * x * x) / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const reduceSum: Kernel<Operators["ReduceSum"]> = ([x], { axes }, [{ shape }]) => {
  const kept = x.shape.map((d, axis) => (axes.includes(axis) ? 1 : d));
  const target = offsets(x.shape, broadcastStrides(kept, x.shape));
  const y = new Float64Array(sizeOf(shape));
  x.data.forEach((v, i) => {
    y[target[i]] += v;
  });
  return [y];
};

const reduceMean: Kernel<Operators["ReduceMean"]> = (inputs, attributes, outputs) => {
  const [sum] = reduceSum(inputs, attributes, outputs);
  return [sum.map((v) => (v * sum.length) / inputs[0].data.length)];
};

/** The vectors along the last axis. */
function rows(data: Float64Array, width: number): Float64Array[] {
  return Array.from({ length: data.length / width }, (_, i) => data.subarray(i * width, (i + 1) * width));
}

const mean = (row: Float64Array) => row.reduce((a, b) => a + b, 0) / row.length;

const softmax: Kernel<unknown> = ([x]) => {
  const y = new Float64Array(x.data.length);
  const width = x.shape.at(-1)!;
  rows(x.data, width).forEach((row, r) => {
    const largest = Math.max(...row);
    const powers = row.map((v) => Math.exp(v - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    y.set(
      powers.map((p) => p / sum),
      r * width,
    );
  });
  return [y];
};

const logSoftmax: Kernel<unknown> = ([x]) => {
  const width = x.shape.at(-1)!;
  const y = rows(x.data, width).flatMap((row) => {
    const largest = Math.max(...row);
    const logSum = largest + Math.log(row.reduce((sum, v) => sum + Math.exp(v - largest), 0));
    return Array.from(row, (v) => v - logSum);
  });
  return [Float64Array.from(y)];
};

/** y = (x - mean) / sqrt(variance + epsilon) * scale + bias, with the biased variance. */
const layerNormalization: Kernel<Operators["LayerNormalization"]> = ([x, scale, bias], { epsilon }) => {
  const width = x.shape.at(-1)!;
  const means: number[] = [];
  const inverseDeviations: number[] = [];
  const y = new Float64Array(x.data.length);
  rows(x.data, width).forEach((row, r) => {
    const m = mean(row);
    const inverse = 1 / Math.sqrt(mean(row.map((v) => (v - m) ** 2)) + epsilon);
    means.push(m);
    inverseDeviations.push(inverse);
    y.set(
      row.map((v, i) => (v - m) * inverse * scale.data[i] + bias.data[i]),
      r * width,
    );
  });
  return [y, Float64Array.from(means), Float64Array.from(inverseDeviations)];
};

export const ELEMENTWISE = {
  Add: elementwise(([a, b]) => a + b),
  Sub: elementwise(([a, b]) => a - b),
  Mul: elementwise(([a, b]) => a * b),
  Div: elementwise(([a, b], dtype) => CASTS[dtype](a / b)),
  Max: elementwise(([a, b]) => Math.max(a, b)),
  Min: elementwise(([a, b]) => Math.min(a, b)),
  Neg: elementwise(([x]) => -x),
  Sqrt: elementwise(([x]) => Math.sqrt(x)),
  Floor: elementwise(([x]) => Math.floor(x)),
  Relu: elementwise(([x]) => Math.max(x, 0)),
  Sigmoid: elementwise(([x]) => 1 / (1 + Math.exp(-x))),
  Log: elementwise(([x]) => Math.log(x)),
  Exp: elementwise(([x]) => Math.exp(x)),
  Erf: elementwise(([x]) => erf(x)),
  Gelu: elementwise(([x]) => (x / 2) * (1 + erf(x * Math.SQRT1_2))),
  Greater: elementwise(([a, b]) => Number(a > b)),
  Less: elementwise(([a, b]) => Number(a < b)),
  Equal: elementwise(([a, b]) => Number(a === b)),
  Where: elementwise(([condition, a, b]) => (condition ? a : b)),
  Cast: ([x], { to }) => [x.data.map(CASTS[to])],
  ReduceSum: reduceSum,
  ReduceMean: reduceMean,
  Softmax: softmax,
  LogSoftmax: logSoftmax,
  LayerNormalization: layerNormalization,
} satisfies { [K in keyof Operators]?: Kernel<Operators[K]> };
