/** @file Gradients of matrix products, convolutions and pooling. */

import { floats } from "../../core/tensor-data.js";
import {
  add,
  concat,
  conv,
  convTranspose,
  equal,
  expand,
  gemm,
  matMul,
  mul,
  pad,
  reduceSum,
  reshape,
  slice,
  sub,
  transpose,
  where,
} from "../build.js";
import type { Tensor } from "../graph.js";
import type { ConvAttributes, Operators } from "../operators.js";
import { unslice } from "./layout.js";
import { type GradientRule, ONLY_IN_GRADIENTS } from "./rule.js";

/** Y = alpha op(A) op(B):  d op(A) = alpha dY op(B)^T,  d op(B) = alpha op(A)^T dY. */
const fusedMatMul: GradientRule<Operators["FusedMatMul"]> = ({ inputs: [a, b], attributes, dy }) => {
  const { transA, transB, alpha } = attributes;
  return [
    () => (transA ? matMul(b, dy, { transA: transB, transB: true, alpha }) : matMul(dy, b, { transB: !transB, alpha })),
    () => (transB ? matMul(dy, a, { transA: true, transB: transA, alpha }) : matMul(a, dy, { transA: !transA, alpha })),
  ];
};

const gemmRule: GradientRule<Operators["Gemm"]> = ({ inputs: [a, b], attributes: { transA, transB }, dy }) => [
  () =>
    transA ? gemm(b, dy, undefined, { transA: transB, transB: true }) : gemm(dy, b, undefined, { transB: !transB }),
  () =>
    transB ? gemm(dy, a, undefined, { transA: true, transB: transA }) : gemm(a, dy, undefined, { transA: !transA }),
  () => dy,
];

/** [O,C,kh,kw] with both spatial axes reversed and O, C exchanged. */
function flippedTransposed(weights: Tensor): Tensor {
  const [o, c, kh, kw] = weights.shape;
  const taps = kh * kw;
  // A product with the exchange matrix reverses the taps; gathering single numbers takes five times as long.
  const exchange = floats(
    [taps, taps],
    Array.from({ length: taps ** 2 }, (_, i) => (i % taps === taps - 1 - Math.floor(i / taps) ? 1 : 0)),
  );
  const rows = reshape(weights, [o * c, taps]);
  const flipped = taps === 1 ? rows : matMul(rows, weights.graph.constant(exchange));
  return reshape(transpose(reshape(flipped, [o, c, taps]), [1, 0, 2]), [c, o, kh, kw]);
}

/** dX of Y = conv(X, W): conv(dY, flipped W) for stride 1, a transposed convolution otherwise. */
function convInputGradient(x: Tensor, weights: Tensor, { strides, pads }: ConvAttributes, dy: Tensor): Tensor {
  const [, , kh, kw] = weights.shape;
  if (strides[0] === 1 && strides[1] === 1) {
    const flippedPads = [kh - 1 - pads[0], kw - 1 - pads[1], kh - 1 - pads[2], kw - 1 - pads[3]] as const;
    return conv(dy, flippedTransposed(weights), { strides, pads: flippedPads });
  }
  const reached = (i: 0 | 1) => (dy.shape[2 + i] - 1) * strides[i] + weights.shape[2 + i] - pads[i] - pads[i + 2];
  const outputPadding = [x.shape[2] - reached(0), x.shape[3] - reached(1)] as const;
  return convTranspose(dy, weights, { strides, pads, outputPadding });
}

const padSpatial = (x: Tensor, [top, left, bottom, right]: ConvAttributes["pads"]) =>
  pad(x, [0, 0, top, left, 0, 0, bottom, right]);

/** X at the positions that tap (i, j) of a sliding window reads: [N, C, H', W']. */
function tapInput(
  padded: Tensor,
  i: number,
  j: number,
  [sh, sw]: readonly number[],
  height: number,
  width: number,
): Tensor {
  const rows = slice(padded, 2, i, i + (height - 1) * sh + 1, sh);
  return slice(rows, 3, j, j + (width - 1) * sw + 1, sw);
}

/** [N,C,H,W] -> [C,N,H,W] */
function channelsFirst(x: Tensor): Tensor {
  const [n, c, height, width] = x.shape;
  return n === 1 ? reshape(x, [c, n, height, width]) : transpose(x, [1, 0, 2, 3]);
}

/**
 * dW[:, :, i, j] = dY X_ij^T, one product over the positions of all images a tap, or one for all taps of few channels.
 */
function convWeightGradient(x: Tensor, weights: Tensor, { strides, pads }: ConvAttributes, dy: Tensor): Tensor {
  const [o, c, kh, kw] = weights.shape;
  const [n, , height, width] = dy.shape;
  const positions = n * height * width;
  const padded = padSpatial(channelsFirst(x), pads);
  const taps: Tensor[] = [];
  for (let i = 0; i < kh; i++) {
    for (let j = 0; j < kw; j++) {
      taps.push(reshape(tapInput(padded, i, j, strides, height, width), [c, positions]));
    }
  }
  const rows = reshape(channelsFirst(dy), [o, positions]);
  const product = (columns: Tensor) => matMul(rows, columns, { transB: true });
  const dw =
    c < 16
      ? reshape(product(concat(taps, 0)), [o, kh * kw, c])
      : concat(
          taps.map((t) => reshape(product(t), [o, 1, c])),
          1,
        );
  return reshape(transpose(dw, [0, 2, 1]), weights.shape);
}

const convRule: GradientRule<Operators["Conv"]> = ({ inputs: [x, weights], attributes, dy }) => [
  () => convInputGradient(x, weights, attributes, dy),
  () => convWeightGradient(x, weights, attributes, dy),
  () => reduceSum(dy, [0, 2, 3]),
];

/**
 * Each window passes its gradient to the first of its maxima in row-major order, as PyTorch does. They are found by
 * comparing again, since WebGPU's MaxPool has no indices; padding, zero here, never is a maximum.
 */
const maxPoolRule: GradientRule<Operators["MaxPool"]> = ({ inputs: [x], outputs: [y], attributes, dy }) => [
  () => {
    const { kernel, strides, pads } = attributes;
    const [height, width] = dy.shape.slice(2);
    const padded = padSpatial(x, pads);
    const inside = padSpatial(expand(x.graph.scalar(1), [1, 1, ...x.shape.slice(2)]), pads);
    // 1 where no tap so far was the maximum of its window.
    let open = expand(x.graph.scalar(1), dy.shape);
    const rows: Tensor[] = [];
    for (let i = 0; i < kernel[0]; i++) {
      const taps: Tensor[] = [];
      for (let j = 0; j < kernel[1]; j++) {
        const tap = (t: Tensor) => tapInput(t, i, j, strides, height, width);
        const first = where(equal(tap(padded), y), mul(open, tap(inside)), 0);
        open = sub(open, first);
        taps.push(unslice(mul(first, dy), 3, j, strides[1], padded.shape[3]));
      }
      rows.push(unslice(taps.reduce(add), 2, i, strides[0], padded.shape[2]));
    }
    const [top, left] = pads;
    const cropped = slice(rows.reduce(add), 2, top, top + x.shape[2]);
    return slice(cropped, 3, left, left + x.shape[3]);
  },
];

export const LINEAR = {
  FusedMatMul: fusedMatMul,
  Gemm: gemmRule,
  Conv: convRule,
  ConvTranspose: ONLY_IN_GRADIENTS,
  MaxPool: maxPoolRule,
} satisfies { [K in keyof Operators]?: GradientRule<Operators[K]> | typeof ONLY_IN_GRADIENTS };
