/** @file Types and shapes of every operator's outputs. Wrong inputs are a ShapeError that names the operator. */

import { ShapeError } from "../core/errors.js";
import type { DType, Shape } from "../core/tensor-data.js";
import { sizeOf } from "../core/tensor-data.js";
import type { ConvAttributes, Operators, OpName } from "./operators.js";

export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

type Rule<Attributes> = (inputs: readonly TensorType[], attributes: Attributes) => TensorType[];

const show = (...types: readonly TensorType[]) => types.map((t) => `${t.dtype}[${t.shape}]`).join(", ");

function fail(op: OpName, expected: string, ...found: readonly TensorType[]): never {
  throw new ShapeError(op, expected, show(...found));
}

/** The common shape of NumPy-style broadcasting. */
function broadcastShapes(op: OpName, a: TensorType, b: TensorType): Shape {
  const rank = Math.max(a.shape.length, b.shape.length);
  return Array.from({ length: rank }, (_, i) => {
    const da = a.shape[i - rank + a.shape.length] ?? 1;
    const db = b.shape[i - rank + b.shape.length] ?? 1;
    if (da !== db && da !== 1 && db !== 1) fail(op, "shapes that broadcast", a, b);
    return da === 1 ? db : da;
  });
}

function binary(op: OpName, dtype?: DType): Rule<Operators["Add"]> {
  return ([a, b]) => {
    if (a.dtype !== b.dtype) fail(op, "two inputs of one type", a, b);
    return [{ dtype: dtype ?? a.dtype, shape: broadcastShapes(op, a, b) }];
  };
}

const outside = (axis: number, x: TensorType) => axis < 0 || axis >= x.shape.length;

const unary: Rule<Operators["Neg"]> = ([x]) => [x];

function reduction(op: OpName): Rule<Operators["ReduceSum"]> {
  return ([x], { axes, keepdims }) => {
    if (axes.some((a) => outside(a, x))) fail(op, `axes [${axes}] within the rank`, x);
    const shape = x.shape.flatMap((d, i) => (axes.includes(i) ? (keepdims ? [1] : []) : [d]));
    return [{ dtype: x.dtype, shape }];
  };
}

const flip = (transposed: boolean, [rows, cols]: Shape): Shape => (transposed ? [cols, rows] : [rows, cols]);

function windows(size: number, kernel: number, stride: number, before: number, after: number): number {
  return Math.floor((size + before + after - kernel) / stride) + 1;
}

/** [N, channels, H', W'] of a window of shape `kernel` that slides over x. */
function slidingShape(
  op: OpName,
  x: TensorType,
  channels: number,
  kernel: Shape,
  { strides, pads }: ConvAttributes,
): Shape {
  const [n, , h, w] = x.shape;
  const height = windows(h, kernel[0], strides[0], pads[0], pads[2]);
  const width = windows(w, kernel[1], strides[1], pads[1], pads[3]);
  if (pads.some((p) => p < 0) || height < 1 || width < 1) {
    fail(op, `room for a window of [${kernel}] with pads [${pads}] of at least 0`, x);
  }
  return [n, channels, height, width];
}

const RULES: { readonly [K in OpName]: Rule<Operators[K]> } = {
  Add: binary("Add"),
  Sub: binary("Sub"),
  Mul: binary("Mul"),
  Div: binary("Div"),
  Max: binary("Max"),
  Min: binary("Min"),
  Neg: unary,
  Sqrt: unary,
  Floor: unary,
  Relu: unary,
  Sigmoid: unary,
  Log: unary,
  Exp: unary,
  Erf: unary,
  Gelu: unary,
  Greater: binary("Greater", "bool"),
  Less: binary("Less", "bool"),
  Equal: binary("Equal", "bool"),
  Where: ([condition, a, b]) => {
    if (condition.dtype !== "bool" || a.dtype !== b.dtype) fail("Where", "bool and two of one type", condition, a, b);
    const branches = { dtype: a.dtype, shape: broadcastShapes("Where", a, b) };
    return [{ dtype: a.dtype, shape: broadcastShapes("Where", condition, branches) }];
  },
  Cast: ([x], { to }) => [{ dtype: to, shape: x.shape }],
  ReduceSum: reduction("ReduceSum"),
  ReduceMean: reduction("ReduceMean"),
  Softmax: unary,
  LogSoftmax: unary,
  LayerNormalization: ([x, scale, bias]) => {
    const width = x.shape.at(-1);
    if (scale.shape[0] !== width || bias.shape[0] !== width)
      fail("LayerNormalization", `[${width}] affine`, scale, bias);
    const statistics = { dtype: x.dtype, shape: [...x.shape.slice(0, -1), 1] };
    return [x, statistics, statistics];
  },
  FusedMatMul: ([a, b], { transA, transB }) => {
    const [m, ka] = flip(transA, a.shape.slice(-2));
    const [kb, n] = flip(transB, b.shape.slice(-2));
    if (a.shape.length < 2 || b.shape.length < 2 || ka !== kb) fail("FusedMatMul", "inner sizes that agree", a, b);
    const batch = broadcastShapes(
      "FusedMatMul",
      { dtype: a.dtype, shape: a.shape.slice(0, -2) },
      { dtype: b.dtype, shape: b.shape.slice(0, -2) },
    );
    return [{ dtype: a.dtype, shape: [...batch, m, n] }];
  },
  Gemm: ([a, b, c], { transA, transB }) => {
    const [m, ka] = flip(transA, a.shape);
    const [kb, n] = flip(transB, b.shape);
    if (a.shape.length !== 2 || b.shape.length !== 2 || ka !== kb) fail("Gemm", "matrices that agree", a, b);
    if (c && (sizeOf(c.shape) !== n || c.shape.at(-1) !== n)) fail("Gemm", `a bias of ${n}`, c);
    return [{ dtype: a.dtype, shape: [m, n] }];
  },
  Conv: ([x, w, b], attributes) => {
    if (x.shape.length !== 4 || w.shape.length !== 4 || x.shape[1] !== w.shape[1]) {
      fail("Conv", "an image [N,C,H,W] and weights [O,C,kh,kw]", x, w);
    }
    if (b && b.shape.join() !== `${w.shape[0]}`) fail("Conv", `a bias of ${w.shape[0]}`, b);
    return [{ dtype: x.dtype, shape: slidingShape("Conv", x, w.shape[0], w.shape.slice(2), attributes) }];
  },
  ConvTranspose: ([x, w], { strides, pads, outputPadding }) => {
    if (x.shape[1] !== w.shape[0]) fail("ConvTranspose", "channels that agree", x, w);
    const size = (i: number) =>
      (x.shape[2 + i] - 1) * strides[i] + w.shape[2 + i] - pads[i] - pads[2 + i] + outputPadding[i];
    return [{ dtype: x.dtype, shape: [x.shape[0], w.shape[1], size(0), size(1)] }];
  },
  MaxPool: ([x], attributes) => {
    const shape = slidingShape("MaxPool", x, x.shape[1], attributes.kernel, attributes);
    return [{ dtype: x.dtype, shape }];
  },
  Reshape: ([x], { shape }) => {
    if (sizeOf(shape) !== sizeOf(x.shape)) fail("Reshape", `as many elements as [${shape}]`, x);
    return [{ dtype: x.dtype, shape }];
  },
  Transpose: ([x], { perm }) => {
    if ([...perm].sort((a, b) => a - b).some((p, i) => p !== i) || perm.length !== x.shape.length) {
      fail("Transpose", `a permutation of the axes, not [${perm}]`, x);
    }
    return [{ dtype: x.dtype, shape: perm.map((p) => x.shape[p]) }];
  },
  Expand: ([x], { shape }) => {
    const result = broadcastShapes("Expand", x, { dtype: x.dtype, shape });
    if (result.join() !== shape.join()) fail("Expand", `a shape that expands to [${shape}]`, x);
    return [{ dtype: x.dtype, shape }];
  },
  Concat: (inputs, { axis }) => {
    const [first] = inputs;
    const shape = [...first.shape];
    if (outside(axis, first) || inputs.some((x) => x.dtype !== first.dtype)) {
      fail("Concat", `one type and an axis ${axis} within the rank`, ...inputs);
    }
    for (const other of inputs.slice(1)) {
      if (other.shape.length !== shape.length || other.shape.some((d, i) => i !== axis && d !== shape[i])) {
        fail("Concat", `shapes that differ only in axis ${axis}`, ...inputs);
      }
      shape[axis] += other.shape[axis];
    }
    return [{ dtype: first.dtype, shape }];
  },
  Slice: ([x], { axis, start, end, step }) => {
    if (outside(axis, x) || start < 0 || end > x.shape[axis] || start >= end || step < 1) {
      fail("Slice", `axis ${axis} to hold ${start}:${end}:${step}`, x);
    }
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => (i === axis ? Math.ceil((end - start) / step) : d)) }];
  },
  Pad: ([x], { pads }) => {
    const rank = x.shape.length;
    if (pads.length !== 2 * rank || pads.some((p) => p < 0)) fail("Pad", `${2 * rank} pads of at least 0`, x);
    return [{ dtype: x.dtype, shape: x.shape.map((d, i) => d + pads[i] + pads[i + rank]) }];
  },
  Gather: ([data, indices], { axis }) => {
    if (outside(axis, data) || indices.dtype !== "int64") {
      fail("Gather", `int64 indices along an axis ${axis} within the rank`, data, indices);
    }
    const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
    return [{ dtype: data.dtype, shape }];
  },
  ScatterND: ([data, indices, updates]) => {
    const depth = indices.shape.at(-1) as number;
    const expected = [...indices.shape.slice(0, -1), ...data.shape.slice(depth)];
    if (indices.dtype !== "int64" || show(updates) !== show({ dtype: data.dtype, shape: expected })) {
      fail("ScatterND", `int64 indices and ${data.dtype} updates of shape [${expected}]`, indices, updates);
    }
    return [data];
  },
};

/** Output types of one operator. Throws ShapeError. */
export function infer<K extends OpName>(op: K, inputs: readonly TensorType[], attributes: Operators[K]): TensorType[] {
  return RULES[op](inputs, attributes).map(({ dtype, shape }) => ({ dtype, shape }));
}
