/** @file What a graph costs: arithmetic and memory traffic. */

import { BYTES, sizeOf } from "../core/tensor-data.js";
import type { Node } from "./graph.js";
import type { TensorType } from "./infer.js";
import type { Operators, OpName } from "./operators.js";

export const bytesOf = ({ dtype, shape }: TensorType): number => BYTES[dtype] * sizeOf(shape);

export interface GraphCost {
  /** Floating-point operations of matrix products and convolutions; a multiplication and an addition are 2. */
  readonly products: number;
  /** Those of all other operators, one an element. */
  readonly elementwise: number;
  /** Bytes that the nodes read and write, each node for itself. */
  readonly traffic: number;
}

type Count<Attributes> = (
  inputs: readonly TensorType[],
  output: TensorType,
  attributes: Attributes,
) => Pick<GraphCost, "products"> | Pick<GraphCost, "elementwise">;

const elements = ({ shape }: TensorType) => sizeOf(shape);
const products = (n: number) => ({ products: n });
const perOutput: Count<unknown> = (_, output) => ({ elementwise: elements(output) });
const perInput: Count<unknown> = ([x]) => ({ elementwise: elements(x) });
const copies: Count<unknown> = () => ({ elementwise: 0 });

const COUNTS: { readonly [K in OpName]: Count<Operators[K]> } = {
  Add: perOutput,
  Sub: perOutput,
  Mul: perOutput,
  Div: perOutput,
  Max: perOutput,
  Min: perOutput,
  Neg: perOutput,
  Sqrt: perOutput,
  Floor: perOutput,
  Relu: perOutput,
  Sigmoid: perOutput,
  Log: perOutput,
  Exp: perOutput,
  Erf: perOutput,
  Gelu: perOutput,
  Greater: perOutput,
  Less: perOutput,
  Equal: perOutput,
  Where: perOutput,
  Cast: perOutput,
  ReduceSum: perInput,
  ReduceMean: perInput,
  Softmax: perOutput,
  LogSoftmax: perOutput,
  LayerNormalization: perOutput,
  FusedMatMul: ([a], output, { transA }) => products(2 * elements(output) * (a.shape.at(transA ? -2 : -1) as number)),
  Gemm: ([a, , c], output, { transA }) => products(elements(output) * (2 * a.shape[transA ? 0 : 1] + Number(!!c))),
  Conv: ([, w, b], output) => products(elements(output) * (2 * sizeOf(w.shape.slice(1)) + Number(!!b))),
  ConvTranspose: ([x, w]) => products(2 * elements(x) * sizeOf(w.shape.slice(1))),
  MaxPool: (_, output, { kernel }) => ({ elementwise: elements(output) * sizeOf(kernel) }),
  Reshape: copies,
  Transpose: copies,
  Expand: copies,
  Concat: copies,
  Slice: copies,
  Pad: copies,
  Gather: copies,
  ScatterND: ([, , updates], _, { reduction }) => ({ elementwise: reduction === "add" ? elements(updates) : 0 }),
};

/** Bytes that a node reads and writes: parts of a tensor where only parts are read, nothing where nothing moves. */
function trafficOf({ op, inputs, outputs }: Node): number {
  const written = outputs.reduce((sum, t) => sum + bytesOf(t), 0);
  if (op === "Reshape") return 0;
  if (op === "Slice") return 2 * written;
  if (op === "Gather") return 2 * written + bytesOf(inputs[1]);
  return written + inputs.reduce((sum, t) => sum + bytesOf(t), 0);
}

/** Sum over nodes. A ConvTranspose counts as the convolution of which it is the gradient. */
export function costOf(nodes: readonly Node[]): GraphCost {
  const sum = { products: 0, elementwise: 0, traffic: 0 };
  for (const node of nodes) {
    const count = COUNTS[node.op] as Count<unknown>;
    const found = { ...sum, products: 0, elementwise: 0, ...count(node.inputs, node.outputs[0], node.attributes) };
    sum.products += found.products;
    sum.elementwise += found.elementwise;
    sum.traffic += trafficOf(node);
  }
  return sum;
}
