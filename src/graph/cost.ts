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

/** A stretch of memory that the runtime hands from one tensor to the next. */
interface Buffer {
  /** Of the tensor that it was made for (`kindOf`). */
  readonly kind: string;
  readonly bytes: number;
  readonly start: number;
  /** Index of the node after which it is given back. */
  end: number;
  /** Its tensors in turn, each with the index of the node that made it. */
  readonly tensors: { readonly tensor: Tensor; readonly from: number }[];
  /** Uses of these tensors that are still to come. */
  uses: number;
}

/** Operators that write over their first input when nobody needs it any more. */
const IN_PLACE: ReadonlySet<OpName> = new Set<OpName>(["Relu", "Softmax", "ScatterND"]);

/** Tensors of one kind can take each other's memory. */
const kindOf = ({ dtype, shape }: TensorType) => `${BYTES[dtype]}:${shape}`;

/**
 * The buffers that ONNX Runtime plans for nodes in this order. A new tensor takes the buffer that fell free last among
 * those of its shape, so that a buffer is held, with nothing in it, for as long as a later tensor will want it.
 * https://github.com/microsoft/onnxruntime/blob/main/onnxruntime/core/framework/allocation_planner.cc
 */
function planBuffers(order: readonly Node[], outside: ReadonlySet<Tensor>): Buffer[] {
  const uses = new Map<Tensor, number>();
  for (const { inputs } of order) for (const t of inputs) uses.set(t, (uses.get(t) ?? 0) + 1);
  const buffers: Buffer[] = [];
  const bufferOf = new Map<Tensor, Buffer>();
  const free = new Map<string, Buffer[]>(); // by kind, the last one given back at the end
  const giveBack = (buffer: Buffer) => {
    const others = free.get(buffer.kind);
    if (others) others.push(buffer);
    else free.set(buffer.kind, [buffer]);
  };
  order.forEach(({ op, inputs, outputs }, from) => {
    const source = bufferOf.get(inputs[0]);
    const overwrites = IN_PLACE.has(op) && source?.uses === 1 && kindOf(inputs[0]) === kindOf(outputs[0]);
    const shares = op === "Reshape" || overwrites;
    outputs.forEach((tensor, k) => {
      // Optional outputs that nobody reads are not made; a Reshape of outside memory needs none.
      if (outside.has(tensor) || (k > 0 && !uses.has(tensor)) || (op === "Reshape" && !source)) return;
      const kind = kindOf(tensor);
      let buffer = shares && k === 0 ? source : tensor.shape.length > 0 ? free.get(kind)?.pop() : undefined;
      if (!buffer) {
        buffer = { kind, bytes: bytesOf(tensor), start: from, end: from, tensors: [], uses: 0 };
        buffers.push(buffer);
      }
      if (op !== "Reshape") buffer.tensors.push({ tensor, from });
      buffer.uses += uses.get(tensor) ?? 0;
      buffer.end = from;
      bufferOf.set(tensor, buffer);
    });
    for (const tensor of inputs) {
      const buffer = bufferOf.get(tensor);
      if (!buffer) continue;
      buffer.end = from;
      if (--buffer.uses === 0) giveBack(buffer);
    }
  });
  return buffers;
}

export interface MemoryPeak {
  readonly bytes: number;
  /** The node that runs at the peak, undefined for no nodes. */
  readonly node?: Node;
  /** What each buffer held then holds, or held last; the largest first. */
  readonly tensors: readonly Tensor[];
}

/**
 * The most memory held at once for intermediate tensors by ONNX Runtime when it runs nodes in this order, unoptimised.
 * Graph inputs, constants and `outputs` have memory of their own; what a kernel uses inside itself is not counted.
 * Within 0.1 % of what the runtime's profiler reports as requested, for the gradient graphs of tiny and r50.
 */
export function memoryPeak(order: readonly Node[], outputs: Iterable<Tensor>): MemoryPeak {
  const buffers = planBuffers(order, new Set(outputs));
  const change = new Float64Array(order.length + 1);
  for (const { bytes, start, end } of buffers) {
    change[start] += bytes;
    change[end + 1] -= bytes;
  }
  let held = 0;
  let peak = { bytes: 0, at: -1 };
  order.forEach((_, at) => {
    held += change[at];
    if (held > peak.bytes) peak = { bytes: held, at };
  });
  const { bytes, at } = peak;
  const tensors = buffers
    .filter(({ start, end }) => start <= at && at <= end)
    .map(({ tensors }) => tensors.filter(({ from }) => from <= at).at(-1)?.tensor as Tensor);
  return { bytes, node: order[at], tensors: tensors.sort((a, b) => bytesOf(b) - bytesOf(a)) };
}
