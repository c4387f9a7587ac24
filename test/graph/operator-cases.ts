/**
 * @file One table of small graphs that exercises every operator: for gradients here, for every runtime in the operator
 * suite.
 */

import { RandomStream } from "../../src/core/random.js";
import { type DType, type Shape, sizeOf } from "../../src/core/tensor-data.js";
import * as b from "../../src/graph/build.js";
import type { Graph, Tensor } from "../../src/graph/graph.js";
import type { Value } from "../../src/graph/interpret.js";
import type { ConvAttributes, OpName } from "../../src/graph/operators.js";

export interface OperatorCase {
  readonly op: OpName;
  readonly name: string;
  readonly inputs: readonly Value[];
  /** Builds the operator on graph inputs of the types of `inputs`; the outputs may have any type. */
  readonly build: (graph: Graph, inputs: readonly Tensor[]) => readonly Tensor[];
}

/** A fixed stream a shape and kind, so that adding a case changes no other. Values are exact in float32. */
function draw(kind: string, shape: Shape, next: (stream: RandomStream, i: number) => number): Value {
  const stream = new RandomStream({ seed: 1, purpose: `${kind} ${shape}` });
  const data = Float64Array.from({ length: sizeOf(shape) }, (_, i) => Math.fround(next(stream, i)));
  return { dtype: "float32", shape, data };
}

const normal = (...shape: number[]) => draw("normal", shape, (stream) => stream.normal());
const positive = (...shape: number[]) => draw("positive", shape, (stream) => stream.uniform(0.5, 2));
/** At least 0.1 from zero and from every whole number: away from the kinks of Relu and the steps of Floor. */
const fractional = (...shape: number[]) =>
  draw("fractional", shape, (stream) => stream.integer(4) - 2 + stream.uniform(0.1, 0.9));

/** Values at least 0.1 apart in a random order, shifted by `shift`: away from the kinks of Max, Min and MaxPool. */
function distinct(shape: Shape, shift = 0): Value {
  const size = sizeOf(shape);
  const order = new RandomStream({ seed: 1, purpose: `distinct ${shape} ${shift}` }).permutation(size);
  return draw("distinct", shape, (_, i) => (order[i] - Math.floor(size / 2)) / 10 + shift);
}

const whole = (dtype: DType, shape: Shape, values: readonly number[]): Value => ({
  dtype,
  shape,
  data: Float64Array.from(values),
});
const indices = (shape: Shape, ...values: number[]) => whole("int64", shape, values);

type Binary = (x: Tensor, y: Tensor) => Tensor;

const BROADCASTS: readonly (readonly [Shape, Shape])[] = [
  [
    [2, 3],
    [2, 3],
  ],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [2, 1, 4],
    [1, 3, 1],
  ],
  [[], [2, 3]],
];

function binary(op: OpName, build: Binary, first: (s: Shape) => Value, second = first): OperatorCase[] {
  return BROADCASTS.map(([s, t]) => ({
    op,
    name: `${op} [${s}] with [${t}]`,
    inputs: [first(s), second(t)],
    build: (_, [x, y]) => [build(x, y)],
  }));
}

function unary(op: OpName, build: (x: Tensor) => Tensor, ...inputs: Value[]): OperatorCase[] {
  return inputs.map((x) => ({ op, name: `${op} [${x.shape}]`, inputs: [x], build: (_, [t]) => [build(t)] }));
}

function single(op: OpName, detail: string, inputs: readonly Value[], build: (...xs: Tensor[]) => Tensor) {
  return { op, name: `${op} ${detail}`, inputs, build: (_: Graph, xs: readonly Tensor[]) => [build(...xs)] };
}

const fromShape = (make: (...shape: number[]) => Value) => (shape: Shape) => make(...shape);
const spacedPair = [(s: Shape) => distinct(s), (s: Shape) => distinct(s, 0.05)] as const;
/** Small whole numbers, so that equal pairs occur. */
const coarse = (s: Shape) => draw("coarse", s, (stream) => stream.integer(3));

/** Where erf is flat in float32, and where it nearly is. */
const TAILS: Value = { dtype: "float32", shape: [5], data: Float64Array.of(0, -7, -3, 3, 7) };

const ELEMENTWISE: readonly OperatorCase[] = [
  ...binary("Add", b.add, fromShape(normal)),
  ...binary("Sub", b.sub, fromShape(normal)),
  ...binary("Mul", b.mul, fromShape(normal)),
  ...binary("Div", b.div, fromShape(normal), fromShape(positive)),
  ...binary("Max", b.max, ...spacedPair),
  ...binary("Min", b.min, ...spacedPair),
  ...binary("Greater", b.greater, coarse),
  ...binary("Less", b.less, coarse),
  ...binary("Equal", b.equal, coarse),
  single("Mul", "by itself", [normal(2, 3)], (x) => b.mul(x, x)),
  single("Add", "of int64", [indices([3], 1, -2, 3), indices([], 4)], b.add),
  single("Div", "of int64", [indices([4], 7, 8, 9, 10), indices([], 4)], b.div),
  ...unary("Neg", b.neg, normal(2, 3)),
  ...unary("Sqrt", b.sqrt, positive(2, 3)),
  ...unary("Floor", b.floor, fractional(3, 4)),
  ...unary("Relu", b.relu, fractional(3, 4)),
  ...unary("Exp", b.exp, normal(2, 3)),
  ...unary("Erf", b.erf, normal(2, 3), TAILS),
  ...unary("Gelu", b.gelu, normal(2, 3), TAILS),
  single("Where", "of equal shapes", [whole("bool", [2, 2], [1, 0, 0, 1]), normal(2, 2), positive(2, 2)], b.where),
  single("Where", "broadcast", [whole("bool", [2, 1], [1, 0]), normal(3), normal(4, 1, 1)], b.where),
  single("Cast", "to int64", [fractional(3, 4)], (x) => b.cast(x, "int64")),
  single("Cast", "to bool and back", [coarse([3, 4])], (x) => b.cast(b.cast(x, "bool"), "float32")),
];

const AXES = [[0], [1], [0, 2], [0, 1, 2]];

const REDUCTIONS: readonly OperatorCase[] = AXES.flatMap((axes) =>
  [false, true].flatMap((keepdims) => [
    single("ReduceSum", `${axes} keep ${keepdims}`, [normal(2, 3, 4)], (x) => b.reduceSum(x, axes, keepdims)),
    single("ReduceMean", `${axes} keep ${keepdims}`, [normal(2, 3, 4)], (x) => b.reduceMean(x, axes, keepdims)),
  ]),
);

const NORMALISATIONS: readonly OperatorCase[] = [
  ...unary("Sigmoid", b.sigmoid, normal(2, 3)),
  ...unary("Log", b.log, positive(2, 3)),
  ...unary("Softmax", b.softmax, normal(5), normal(2, 3, 4)),
  ...unary("LogSoftmax", b.logSoftmax, normal(5), normal(2, 3, 4)),
  {
    op: "LayerNormalization",
    name: "LayerNormalization with free scale",
    inputs: [normal(2, 3, 8), positive(8), normal(8)],
    build: (_, [x, scale, bias]) => b.layerNormalization(x, scale, bias, 1e-5),
  },
  {
    op: "LayerNormalization",
    name: "LayerNormalization with a constant scale of ones",
    inputs: [normal(3, 8), normal(8)],
    build: (graph, [x, bias]) => {
      const ones = graph.constant({ dtype: "float32", shape: [8], data: new Float32Array(8).fill(1) });
      return b.layerNormalization(x, ones, bias, 1e-5);
    },
  },
];

const FLAGS = [
  { transA: false, transB: false },
  { transA: false, transB: true },
  { transA: true, transB: false },
  { transA: true, transB: true },
];
const BATCHES: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[3], [3]],
  [[2, 3], [3]],
  [
    [2, 1],
    [1, 3],
  ],
  [[], [2]],
];

const showFlags = (flags: object) => Object.entries(flags).flatMap(([key, value]) => (value ? [key] : []));

const PRODUCTS: readonly OperatorCase[] = FLAGS.flatMap((flags) => {
  const a = flags.transA ? [3, 2] : [2, 3];
  const c = flags.transB ? [4, 3] : [3, 4];
  const batched = BATCHES.map(([p, q]) =>
    single(
      "FusedMatMul",
      `batches [${p}] and [${q}] ${showFlags(flags)}`,
      [normal(...p, ...a), normal(...q, ...c)],
      (x, y) => b.matMul(x, y, { ...flags, alpha: p.length ? 0.5 : 1 }),
    ),
  );
  const operands = [normal(...a), normal(...c)];
  return [
    ...batched,
    single("Gemm", `${showFlags(flags)}`, operands, (x, y) => b.gemm(x, y, undefined, flags)),
    single("Gemm", `with bias ${showFlags(flags)}`, [...operands, normal(4)], (x, y, z) => b.gemm(x, y, z, flags)),
  ];
});

type Pads = ConvAttributes["pads"];
type Sizes = readonly [number, number];

function convCase(x: Shape, w: Shape, strides: Sizes, pads: Pads): OperatorCase {
  const detail = `[${x}] with [${w}] stride ${strides} pads ${pads}`;
  return single("Conv", detail, [normal(...x), normal(...w)], (t, u) => b.conv(t, u, { strides, pads }));
}

const CONVOLUTIONS: readonly OperatorCase[] = [
  convCase([2, 3, 4, 5], [4, 3, 1, 1], [1, 1], [0, 0, 0, 0]),
  convCase([2, 3, 5, 4], [4, 3, 1, 1], [2, 2], [0, 0, 0, 0]),
  convCase([1, 3, 5, 6], [4, 3, 3, 3], [1, 1], [1, 1, 1, 1]),
  convCase([2, 3, 5, 6], [4, 3, 3, 3], [1, 1], [1, 1, 1, 1]),
  convCase([2, 3, 5, 6], [4, 3, 3, 3], [1, 1], [0, 0, 0, 0]),
  convCase([2, 3, 5, 6], [4, 3, 3, 3], [1, 1], [0, 1, 2, 0]),
  convCase([2, 3, 7, 6], [4, 3, 3, 3], [2, 2], [1, 1, 1, 1]),
  convCase([2, 3, 7, 6], [4, 3, 3, 3], [2, 1], [1, 0, 0, 2]),
  convCase([2, 3, 12, 11], [2, 3, 7, 7], [2, 2], [3, 3, 3, 3]),
  convCase([2, 16, 5, 4], [3, 16, 3, 3], [1, 1], [1, 1, 1, 1]),
  convCase([2, 17, 6, 5], [3, 17, 3, 3], [2, 2], [1, 1, 1, 1]),
  convCase([1, 16, 4, 4], [16, 16, 1, 1], [1, 1], [0, 0, 0, 0]),
];

function transposedCase(y: Shape, w: Shape, strides: Sizes, pads: Pads, outputPadding: Sizes): OperatorCase {
  const detail = `[${y}] with [${w}] stride ${strides} pads ${pads} output padding ${outputPadding}`;
  return single("ConvTranspose", detail, [normal(...y), normal(...w)], (t, u) =>
    b.convTranspose(t, u, { strides, pads, outputPadding }),
  );
}

const TRANSPOSED: readonly OperatorCase[] = [
  transposedCase([2, 4, 3, 3], [4, 3, 1, 1], [2, 2], [0, 0, 0, 0], [1, 0]),
  transposedCase([2, 4, 3, 4], [4, 3, 3, 3], [2, 2], [1, 1, 1, 1], [1, 1]),
  transposedCase([1, 4, 3, 4], [4, 3, 3, 3], [2, 1], [1, 0, 0, 2], [0, 0]),
];

const POOLINGS: readonly OperatorCase[] = [
  {
    op: "MaxPool",
    name: "MaxPool 3x3 stride 2 pad 1 (overlapping windows)",
    inputs: [distinct([2, 3, 6, 7])],
    build: (_, [x]) => [b.maxPool(x, { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] })],
  },
  {
    op: "MaxPool",
    name: "MaxPool 2x1 stride 2x1",
    inputs: [distinct([1, 2, 4, 3])],
    build: (_, [x]) => [b.maxPool(x, { kernel: [2, 1], strides: [2, 1], pads: [0, 0, 0, 0] })],
  },
];

const SLICES = [
  { axis: 0, start: 1, end: 3, step: 1 },
  { axis: 1, start: 0, end: 7, step: 2 },
  { axis: 1, start: 1, end: 7, step: 3 },
  { axis: 1, start: 2, end: 6, step: 3 },
  { axis: 1, start: 0, end: 7, step: 7 },
  { axis: 2, start: 0, end: 1, step: 1 },
];

const LAYOUTS: readonly OperatorCase[] = [
  single("Reshape", "", [normal(2, 6)], (x) => b.reshape(x, [3, -1, 2])),
  single("Transpose", "1,2,0", [normal(2, 3, 4)], (x) => b.transpose(x, [1, 2, 0])),
  single("Transpose", "0,2,1,3", [normal(2, 3, 2, 2)], (x) => b.transpose(x, [0, 2, 1, 3])),
  single("Expand", "new and inner axes", [normal(3, 1)], (x) => b.expand(x, [2, 3, 4])),
  single("Expand", "of a scalar", [normal()], (x) => b.expand(x, [2, 3])),
  single("Concat", "axis 0", [normal(2, 3), normal(1, 3)], (x, y) => b.concat([x, y], 0)),
  single("Concat", "axis 1, one twice", [normal(2, 1, 2), normal(2, 3, 2)], (x, y) => b.concat([x, y, x], 1)),
  ...SLICES.map((s) =>
    single("Slice", Object.values(s).join(), [normal(3, 7, 2)], (x) => b.slice(x, s.axis, s.start, s.end, s.step)),
  ),
  single("Pad", "every side", [normal(2, 3)], (x) => b.pad(x, [1, 0, 2, 3])),
  single("Gather", "rows, duplicates", [normal(4, 3), indices([5], 2, 0, 2, 3, 2)], (x, i) => b.gather(x, i)),
  single("Gather", "a matrix of rows", [normal(4, 3), indices([2, 2], 1, 1, 0, 3)], (x, i) => b.gather(x, i)),
  single("Gather", "axis 1", [normal(2, 4, 3), indices([3], 3, 0, 3)], (x, i) => b.gather(x, i, 1)),
  single("Gather", "last axis, matrix", [normal(2, 3, 4), indices([2, 2], 1, 1, 0, 3)], (x, i) => b.gather(x, i, 2)),
  single("Gather", "a scalar index", [normal(2, 4), indices([], 2)], (x, i) => b.gather(x, i, 1)),
];

const scatter = (reduction: "none" | "add") => (data: Tensor, at: Tensor, updates: Tensor) =>
  b.scatterND(data, at, updates, reduction);

const SCATTERS: readonly OperatorCase[] = [
  single("ScatterND", "none", [normal(4, 3), indices([2, 1], 3, 1), normal(2, 3)], scatter("none")),
  single("ScatterND", "add, duplicates", [normal(4, 3), indices([4, 1], 2, 0, 2, 2), normal(4, 3)], scatter("add")),
  single("ScatterND", "add, matrix of rows", [normal(4), indices([2, 2, 1], 2, 0, 2, 2), normal(2, 2)], scatter("add")),
];

export const CASES: readonly OperatorCase[] = [
  ...ELEMENTWISE,
  ...REDUCTIONS,
  ...NORMALISATIONS,
  ...PRODUCTS,
  ...CONVOLUTIONS,
  ...TRANSPOSED,
  ...POOLINGS,
  ...LAYOUTS,
  ...SCATTERS,
];

/** The graph of a case, its input tensors x0, x1, .., and what `build` returned. */
export function buildCase(graph: Graph, { inputs, build }: OperatorCase): { xs: Tensor[]; ys: readonly Tensor[] } {
  const xs = inputs.map(({ dtype, shape }, i) => graph.input(`x${i}`, dtype, shape));
  return { xs, ys: build(graph, xs) };
}

export const feedsOf = (inputs: readonly Value[]) => new Map(inputs.map((x, i) => [`x${i}`, x]));
