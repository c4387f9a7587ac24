/** @file What stands for a node in a model of ONNX's own operators, where that is not the node itself. */

import type { Node, Tensor } from "../graph/graph.js";
import type { OpName } from "../graph/operators.js";
import type { Literals } from "./literals.js";
import { REDUCTION_AXES_OPSET } from "./node-builder.js";
import type { OnnxAttribute } from "./protobuf.js";

/** Writes nodes; `outputs` are names, by default one new one, the first of which comes back. */
export type Put = (
  opType: string,
  inputs: readonly string[],
  attributes?: Readonly<Record<string, OnnxAttribute>>,
  outputs?: readonly string[],
) => string;

export interface Writing {
  readonly put: Put;
  readonly literals: Literals;
  readonly opset: number;
  /** The names of a node's outputs; "" for one that nobody reads. */
  readonly outputs: readonly string[];
  of(tensor: Tensor): string;
}

/** Writes a node in other nodes' terms; false where it may stay as it is. */
type Expansion<K extends OpName> = (node: Node<K>, writing: Writing) => boolean;

const GELU_OPSET = 20;

/** alpha op(A) op(B), which ONNX Runtime has in one node of its own. */
const fusedMatMul: Expansion<"FusedMatMul"> = ({ inputs, attributes }, { put, literals, of, outputs }) => {
  const { transA, transB, alpha } = attributes;
  const transposed = (x: string, { shape: { length: rank } }: Tensor) =>
    put("Transpose", [x], { perm: [...Array(rank - 2).keys(), rank - 1, rank - 2] });
  const [a, b] = inputs.map(of);
  const scaled = alpha === 1 ? a : put("Mul", [a, literals.scalar(alpha)]);
  const left = transA ? transposed(scaled, inputs[0]) : scaled;
  put("MatMul", [left, transB ? transposed(b, inputs[1]) : b], undefined, outputs);
  return true;
};

/** x Phi(x) = x (1 + erf(x / sqrt 2)) / 2. */
const gelu: Expansion<"Gelu"> = ({ inputs }, { put, literals, of, outputs, opset }) => {
  if (opset >= GELU_OPSET) return false;
  const x = of(inputs[0]);
  const erf = put("Erf", [put("Mul", [x, literals.scalar(Math.SQRT1_2)])]);
  const doubled = put("Mul", [x, put("Add", [erf, literals.scalar(1)])]);
  put("Mul", [doubled, literals.scalar(0.5)], undefined, outputs);
  return true;
};

const reduceMean: Expansion<"ReduceMean"> = ({ inputs, attributes }, { put, of, outputs, opset }) => {
  if (opset >= REDUCTION_AXES_OPSET) return false;
  const { axes, keepdims } = attributes;
  put("ReduceMean", [of(inputs[0])], { axes, keepdims: Number(keepdims) }, outputs);
  return true;
};

/** The map [N,C,H,W] that rows [R, L] are a view of. */
function mapBehind(rows: Tensor): Tensor | undefined {
  const { source } = rows;
  if (source.kind !== "node" || source.node.op !== "Reshape" || rows.shape.length !== 2) return undefined;
  const [map] = source.node.inputs;
  return map.shape.length === 4 ? map : undefined;
}

const isFilledWith = ({ source }: Tensor, value: number) =>
  source.kind === "constant" && (source.data.data as Float32Array).every((x) => x === value);

/**
 * Normalised rows of maps, as group norms have them, are long: over more than 65,536 numbers ONNX Runtime's own
 * operator loses digits in a browser. Means are taken of each line of the map and then of these.
 */
const layerNormalization: Expansion<"LayerNormalization"> = ({ inputs, attributes }, writing) => {
  const { put, literals, of, opset } = writing;
  const [x, scale, bias] = inputs;
  const map = mapBehind(x);
  if (!map) return false;
  const [rows, length] = x.shape;
  const line = map.shape[3];
  const mean = (y: string) => [2, 1].reduce((z, axis) => meanOver(axis, z, { put, literals, opset }), y);
  const lines = put("Reshape", [of(x), literals.integers([rows, length / line, line])]);
  const average = mean(lines);
  const centred = put("Sub", [lines, average]);
  const variance = mean(put("Mul", [centred, centred]));
  const deviation = put("Sqrt", [put("Add", [variance, literals.scalar(attributes.epsilon)])]);
  const asRows = (y: string, width: number, output?: string) =>
    put("Reshape", [y, literals.integers([rows, width])], undefined, output === undefined ? undefined : [output]);
  const [y, meanOutput, inverseOutput] = writing.outputs;
  const affine = [
    ...(isFilledWith(scale, 1) ? [] : [["Mul", of(scale)] as const]),
    ...(isFilledWith(bias, 0) ? [] : [["Add", of(bias)] as const]),
  ];
  let result = asRows(put("Div", [centred, deviation]), length, affine.length === 0 ? y : undefined);
  affine.forEach(([op, by], i) => {
    result = put(op, [result, by], undefined, i === affine.length - 1 ? [y] : undefined);
  });
  if (meanOutput) asRows(average, 1, meanOutput);
  if (inverseOutput) asRows(put("Reciprocal", [deviation]), 1, inverseOutput);
  return true;
};

function meanOver(axis: number, x: string, { put, literals, opset }: Pick<Writing, "put" | "literals" | "opset">) {
  return opset < REDUCTION_AXES_OPSET
    ? put("ReduceMean", [x], { axes: [axis], keepdims: 1 })
    : put("ReduceMean", [x, literals.integers([axis])], { keepdims: 1 });
}

const EXPANSIONS: { readonly [K in OpName]?: Expansion<K> } = {
  FusedMatMul: fusedMatMul,
  Gelu: gelu,
  ReduceMean: reduceMean,
  LayerNormalization: layerNormalization,
};

/** Writes a node in ONNX's own operators of `writing.opset`; false where it may stay as it is. */
export function expand(node: Node, writing: Writing): boolean {
  const expansion = EXPANSIONS[node.op] as Expansion<OpName> | undefined;
  return expansion?.(node, writing) ?? false;
}
