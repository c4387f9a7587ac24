/** @file What a graph costs: arithmetic, memory traffic, and the most memory that is alive at once. */

import { BYTES, sizeOf } from "../core/tensor-data.js";
import type { Node, Tensor } from "./graph.js";
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
  Greater: perOutput,
  Less: perOutput,
  Equal: perOutput,
  Where: perOutput,
  Cast: perOutput,
  ReduceSum: perInput,
  ReduceMean: perInput,
  Softmax: perOutput,
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

const producerOf = ({ source }: Tensor): Node | undefined => (source.kind === "node" ? source.node : undefined);

/**
 * The order in which ONNX Runtime runs nodes, given the order in which they are numbered: depth first against the
 * edges, from the leaf with the highest number, into the input with the highest number; a node runs after its inputs.
 * https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/graph/graph_viewer.cc (default order)
 */
export function executionOrder(numbered: readonly Node[]): Node[] {
  const number = new Map(numbered.map((node, i) => [node, i]));
  const producers = numbered.map(({ inputs }) => {
    const found = inputs.flatMap((t) => number.get(producerOf(t) as Node) ?? []);
    return [...new Set(found)].sort((a, b) => a - b);
  });
  const consumed = new Set(producers.flat());
  const visited = new Uint8Array(numbered.length);
  const order: Node[] = [];
  const leaves = numbered.flatMap((_, i) => (consumed.has(i) ? [] : [i]));
  const stack = leaves.map((index) => ({ index, done: false }));
  for (let entry = stack.pop(); entry; entry = stack.pop()) {
    const { index, done } = entry;
    if (done) order.push(numbered[index]);
    else if (!visited[index]) {
      visited[index] = 1;
      stack.push({ index, done: true });
      for (const producer of producers[index]) if (!visited[producer]) stack.push({ index: producer, done: false });
    }
  }
  return order;
}

export interface MemoryPeak {
  readonly bytes: number;
  /** The node that runs at the peak. */
  readonly node?: Node;
  /** What is alive then, the largest first; of tensors that share memory, the one that was made first. */
  readonly alive: readonly Tensor[];
}

/** Operators that may write over an input of equal size that nobody needs any more. */
const IN_PLACE: ReadonlySet<OpName> = new Set<OpName>([
  ...(["Add", "Sub", "Mul", "Div", "Neg", "Sqrt", "Floor", "Relu", "Softmax", "Cast", "ScatterND"] as const),
]);

/**
 * The most bytes of intermediate tensors alive at once when nodes run in this order, each from its making to its last
 * use. Graph inputs, constants and `outputs` have memory of their own; a Reshape has that of its input.
 */
export function memoryPeak(order: readonly Node[], outputs: Iterable<Tensor>): MemoryPeak {
  const owners = new Map<Tensor, Tensor>();
  const ownerOf = (t: Tensor) => owners.get(t) ?? t;
  const lastUse = new Map<Tensor, number>();
  order.forEach((node, i) => {
    if (node.op === "Reshape") owners.set(node.outputs[0], ownerOf(node.inputs[0]));
    for (const t of node.inputs) lastUse.set(ownerOf(t), i);
  });
  const outside = new Set(outputs);
  const alive = new Set<Tensor>();
  let live = 0;
  let peak: MemoryPeak = { bytes: 0, alive: [] };
  order.forEach((node, i) => {
    const inputs = [...new Set(node.inputs.map(ownerOf))];
    const dying = inputs.filter((t) => alive.has(t) && lastUse.get(t) === i);
    const drop = (t: Tensor) => {
      alive.delete(t);
      live -= bytesOf(t);
    };
    const made =
      node.op === "Reshape" ? [] : node.outputs.filter((t, k) => !outside.has(t) && (k === 0 || lastUse.has(t)));
    const over = IN_PLACE.has(node.op) ? dying.find((t) => made.some((o) => bytesOf(o) === bytesOf(t))) : undefined;
    if (over) drop(over);
    for (const t of made) {
      alive.add(t);
      live += bytesOf(t);
    }
    if (live > peak.bytes) peak = { bytes: live, node, alive: [...alive] };
    for (const t of dying) if (t !== over) drop(t);
    for (const t of made) if (!lastUse.has(t)) drop(t);
  });
  return { ...peak, alive: [...peak.alive].sort((a, b) => bytesOf(b) - bytesOf(a)) };
}
