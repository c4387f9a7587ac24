import { expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.js";
import type { DType, Shape } from "../../src/core/tensor-data.js";
import { infer } from "../../src/graph/infer.js";
import type { Operators, OpName } from "../../src/graph/operators.js";

const f = (...shape: number[]) => ({ dtype: "float32" as DType, shape: shape as Shape });
const i = (...shape: number[]) => ({ dtype: "int64" as DType, shape: shape as Shape });
const none = {};
const plain = { strides: [1, 1], pads: [0, 0, 0, 0] } as const;

type Inputs = readonly ReturnType<typeof f>[];
type Row = { [K in OpName]: readonly [op: K, why: string, inputs: Inputs, attributes: Operators[K]] }[OpName];

/** Calls that ONNX Runtime would refuse, or worse, would run: each is refused when the graph is built. */
const WRONG: readonly Row[] = [
  ["Add", "shapes that do not broadcast", [f(2), f(3)], none],
  ["Add", "two types", [f(2), i(2)], none],
  ["Where", "a condition that is no truth value", [f(2), f(2), f(2)], none],
  ["ReduceSum", "an axis outside the rank", [f(2)], { axes: [1], keepdims: false }],
  ["LayerNormalization", "a scale of another width", [f(2, 3), f(2), f(3)], { epsilon: 0 }],
  ["FusedMatMul", "inner sizes that differ", [f(2, 3), f(2, 3)], { transA: false, transB: false, alpha: 1 }],
  ["FusedMatMul", "a vector", [f(3), f(3, 2)], { transA: false, transB: false, alpha: 1 }],
  ["Gemm", "a batch", [f(1, 2, 3), f(3, 4)], { transA: false, transB: false }],
  ["Gemm", "a bias a row", [f(4, 3), f(3, 4), f(4, 1)], { transA: false, transB: false }],
  ["Conv", "channels that differ", [f(1, 2, 3, 3), f(1, 3, 1, 1)], plain],
  ["Conv", "weights larger than the image", [f(1, 1, 2, 2), f(1, 1, 3, 3)], plain],
  ["Conv", "negative padding", [f(1, 1, 5, 5), f(1, 1, 3, 3)], { strides: [1, 1], pads: [-1, 0, 0, 0] }],
  ["ConvTranspose", "channels that differ", [f(1, 2, 3, 3), f(3, 2, 1, 1)], { ...plain, outputPadding: [0, 0] }],
  ["MaxPool", "a window larger than the image", [f(1, 1, 2, 2)], { ...plain, kernel: [3, 1] }],
  ["Reshape", "another number of elements", [f(2, 3)], { shape: [5] }],
  ["Transpose", "an axis twice", [f(2, 3)], { perm: [0, 0] }],
  ["Expand", "a shape that would shrink", [f(2, 3)], { shape: [1, 3] }],
  ["Concat", "two sizes off the axis", [f(2, 3), f(3, 3)], { axis: 1 }],
  ["Concat", "two types", [f(2), i(2)], { axis: 0 }],
  ["Concat", "an axis outside the rank", [f(2), f(2)], { axis: -1 }],
  ["Slice", "an end outside the axis", [f(3)], { axis: 0, start: 0, end: 4, step: 1 }],
  ["Slice", "nothing left", [f(3)], { axis: 0, start: 2, end: 2, step: 1 }],
  ["Slice", "an axis outside the rank", [f(3)], { axis: -1, start: 0, end: 1, step: 1 }],
  ["Pad", "a pad too few", [f(3)], { pads: [1] }],
  ["Gather", "an axis outside the rank", [f(3), i(1)], { axis: 1 }],
  ["Gather", "indices that are no whole numbers", [f(3), f(1)], { axis: 0 }],
  ["ScatterND", "updates of another shape", [f(3, 2), i(1, 1), f(1, 3)], { reduction: "add" }],
  ["ScatterND", "updates of another type", [f(3), i(1, 1), i(1)], { reduction: "add" }],
  ["ScatterND", "indices that are no whole numbers", [f(3), f(1, 1), f(1)], { reduction: "add" }],
];

test.each(WRONG)("%s refuses %s", (op, _why, inputs, attributes) => {
  const call = () => infer(op, inputs, attributes);
  expect(call).toThrow(ShapeError);
  expect(call).toThrow(`${op}: expected `);
});
