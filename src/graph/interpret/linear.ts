/** @file Matrix products, convolutions and pooling, by definition. */

import { type Shape, sizeOf } from "../../core/tensor-data.js";
import type { ConvAttributes, Operators } from "../operators.js";
import { broadcastStrides, type Kernel, offsets, pick } from "./value.js";

interface Matrix {
  readonly data: Float64Array;
  /** Offset of element (0, 0). */
  readonly start: number;
  /** Distances between rows and between columns. */
  readonly strides: readonly [number, number];
}

const matrix = (data: Float64Array, start: number, columns: number, transposed: boolean): Matrix => ({
  data,
  start,
  strides: transposed ? [1, columns] : [columns, 1],
});

/** y[i, j] = sum_k a[i, k] b[k, j], row-major. */
function product(a: Matrix, b: Matrix, rows: number, inner: number, columns: number): Float64Array {
  return Float64Array.from({ length: rows * columns }, (_, at) => {
    const i = Math.floor(at / columns);
    const j = at % columns;
    let sum = 0;
    for (let k = 0; k < inner; k++) {
      const left = a.data[a.start + i * a.strides[0] + k * a.strides[1]];
      sum += left * b.data[b.start + k * b.strides[0] + j * b.strides[1]];
    }
    return sum;
  });
}

const fusedMatMul: Kernel<Operators["FusedMatMul"]> = ([a, b], { transA, transB, alpha }, [{ shape }]) => {
  const [rows, columns] = shape.slice(-2);
  const inner = a.shape.at(transA ? -2 : -1)!;
  const batch = shape.slice(0, -2);
  const starts = (x: Shape) =>
    offsets(
      batch,
      broadcastStrides(x.slice(0, -2), batch).map((stride) => stride * sizeOf(x.slice(-2))),
    );
  const [startsA, startsB] = [starts(a.shape), starts(b.shape)];
  const y = new Float64Array(sizeOf(shape));
  for (let n = 0; n < sizeOf(batch); n++) {
    const left = matrix(a.data, startsA[n], a.shape.at(-1)!, transA);
    const right = matrix(b.data, startsB[n], b.shape.at(-1)!, transB);
    y.set(
      product(left, right, rows, inner, columns).map((v) => alpha * v),
      n * rows * columns,
    );
  }
  return [y];
};

const gemm: Kernel<Operators["Gemm"]> = ([a, b, c], flags, outputs) => {
  const [y] = fusedMatMul([a, b], { ...flags, alpha: 1 }, outputs);
  if (!c) return [y];
  const { shape } = outputs[0];
  const bias = pick(c.data, offsets(shape, broadcastStrides(c.shape, shape)));
  return [y.map((v, i) => v + bias[i])];
};

/** Visits the offsets (in x, weights, y) of all products in y[n,o,p,q] = sum x[n, c, p s - pad + i, ..] w[o,c,i,j]. */
function eachProduct(
  x: Shape,
  weights: Shape,
  y: Shape,
  { strides, pads }: ConvAttributes,
  visit: (xAt: number, weightAt: number, yAt: number) => void,
): void {
  const [, , h, w] = x;
  const [, c, kh, kw] = weights;
  const [, o, height, width] = y;
  for (let yAt = 0; yAt < sizeOf(y); yAt++) {
    const q = yAt % width;
    const p = Math.floor(yAt / width) % height;
    const out = Math.floor(yAt / (width * height)) % o;
    const image = Math.floor(yAt / (width * height * o));
    for (let tap = 0; tap < c * kh * kw; tap++) {
      const column = q * strides[1] - pads[1] + (tap % kw);
      const row = p * strides[0] - pads[0] + (Math.floor(tap / kw) % kh);
      if (row < 0 || row >= h || column < 0 || column >= w) continue;
      const channel = Math.floor(tap / (kw * kh));
      visit(((image * c + channel) * h + row) * w + column, out * c * kh * kw + tap, yAt);
    }
  }
}

const conv: Kernel<Operators["Conv"]> = ([x, weights], attributes, [{ shape }]) => {
  const y = new Float64Array(sizeOf(shape));
  eachProduct(x.shape, weights.shape, shape, attributes, (xAt, weightAt, yAt) => {
    y[yAt] += x.data[xAt] * weights.data[weightAt];
  });
  return [y];
};

/** The same products with the roles of x and y exchanged; weights [in, out, kh, kw] are those of the convolution. */
const convTranspose: Kernel<Operators["ConvTranspose"]> = ([y, weights], attributes, [{ shape }]) => {
  const x = new Float64Array(sizeOf(shape));
  eachProduct(shape, weights.shape, y.shape, attributes, (xAt, weightAt, yAt) => {
    x[xAt] += y.data[yAt] * weights.data[weightAt];
  });
  return [x];
};

/** Padding never wins. */
const maxPool: Kernel<Operators["MaxPool"]> = ([x], { kernel, ...attributes }, [{ shape }]) => {
  const planes = shape[0] * shape[1];
  const asOneChannel = ([, , height, width]: Shape) => [planes, 1, height, width];
  const y = new Float64Array(sizeOf(shape)).fill(Number.NEGATIVE_INFINITY);
  eachProduct(asOneChannel(x.shape), [1, 1, ...kernel], asOneChannel(shape), attributes, (xAt, _, yAt) => {
    y[yAt] = Math.max(y[yAt], x.data[xAt]);
  });
  return [y];
};

export const LINEAR = {
  FusedMatMul: fusedMatMul,
  Gemm: gemm,
  Conv: conv,
  ConvTranspose: convTranspose,
  MaxPool: maxPool,
} satisfies { [K in keyof Operators]?: Kernel<Operators[K]> };
