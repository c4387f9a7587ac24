/**
 * @file How ONNX Runtime orders the nodes of a graph and lays their tensors into memory: the peak of a run, without
 * running it.
 */

import { BYTES } from "../core/tensor-data.js";
import { bytesOf } from "../graph/cost.js";
import type { Node, Tensor } from "../graph/graph.js";
import type { TensorType } from "../graph/infer.js";
import type { OpName } from "../graph/operators.js";

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
