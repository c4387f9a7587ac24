/** @file A graph as an ONNX model: nearly the identity, as operators are ONNX's own. */

import { ShapeError } from "../core/errors.js";
import { ancestors, type Graph, inputName, type Node, type Tensor } from "../graph/graph.js";
import type { ConvAttributes, Operators, OpName } from "../graph/operators.js";
import { verify } from "../graph/verify.js";
import { Literals } from "./literals.js";
import { ELEMENT_TYPE, type OnnxAttribute, type OnnxModel, type OnnxNode } from "./protobuf.js";
import { expand, type Put } from "./standard-form.js";

const OPSET = 21;

/**
 * - "native": with operators of ONNX Runtime's own, which it runs fastest on a CPU;
 * - "standard": with those of ONNX alone, for every other program and for WebGPU, whose provider lacks some of the
 *   others and takes an eighth longer for a network with group norms in one operator each.
 */
export type Form = "native" | "standard";

export interface EmitOptions {
  /** Default "native". */
  readonly form?: Form;
  /** Version of the operator set: default 21. The standard form has versions from 17. */
  readonly opset?: number;
  /** The graph is that of one that was verified, at another size. */
  readonly verified?: boolean;
}

interface Emission {
  opType?: string;
  domain?: string;
  attributes?: Record<string, OnnxAttribute>;
  /** int64 tensors that follow the node's own inputs, such as axes. */
  integers?: readonly (readonly number[])[];
}

type Rule<Attributes> = (attributes: Attributes) => Emission;

const plain: Rule<unknown> = () => ({});
const reduction: Rule<Operators["ReduceSum"]> = ({ axes, keepdims }) => ({
  attributes: { keepdims: Number(keepdims) },
  integers: [axes],
});
const sliding = ({ strides, pads }: ConvAttributes) => ({ strides, pads });

const RULES: { readonly [K in OpName]: Rule<Operators[K]> } = {
  Add: plain,
  Sub: plain,
  Mul: plain,
  Div: plain,
  Max: plain,
  Min: plain,
  Neg: plain,
  Sqrt: plain,
  Floor: plain,
  Relu: plain,
  Sigmoid: plain,
  Log: plain,
  Exp: plain,
  Erf: plain,
  Gelu: plain,
  Greater: plain,
  Less: plain,
  Equal: plain,
  Where: plain,
  Cast: ({ to }) => ({ attributes: { to: ELEMENT_TYPE[to] } }),
  ReduceSum: reduction,
  ReduceMean: reduction,
  Softmax: () => ({ attributes: { axis: -1 } }),
  LogSoftmax: () => ({ attributes: { axis: -1 } }),
  LayerNormalization: ({ epsilon }) => ({ attributes: { axis: -1, epsilon: { float: epsilon } } }),
  FusedMatMul: ({ transA, transB, alpha }) =>
    transA || transB || alpha !== 1
      ? {
          domain: "com.microsoft",
          attributes: { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } },
        }
      : { opType: "MatMul" },
  Gemm: ({ transA, transB }) => ({ attributes: { transA: Number(transA), transB: Number(transB) } }),
  Conv: (attributes) => ({ attributes: sliding(attributes) }),
  ConvTranspose: (attributes) => ({
    attributes: { ...sliding(attributes), output_padding: attributes.outputPadding },
  }),
  MaxPool: (attributes) => ({ attributes: { ...sliding(attributes), kernel_shape: attributes.kernel } }),
  Reshape: ({ shape }) => ({ integers: [shape] }),
  Transpose: ({ perm }) => ({ attributes: { perm } }),
  Expand: ({ shape }) => ({ integers: [shape] }),
  Concat: ({ axis }) => ({ attributes: { axis } }),
  Slice: ({ axis, start, end, step }) => ({ integers: [[start], [end], [axis], [step]] }),
  Pad: ({ pads }) => ({ integers: [pads] }),
  Gather: ({ axis }) => ({ attributes: { axis } }),
  ScatterND: ({ reduction }) => ({ attributes: { reduction } }),
};

/**
 * The order in which nodes are numbered. ONNX Runtime starts from the leaf with the highest number and visits a node's
 * inputs from the highest number down, so: what is recomputed comes before the gradients (it runs as late as
 * possible), and nodes that only feed outputs come last, the gradients of the first layer before those of the last
 * (each weight gradient is then computed as soon as its layer is reached, which frees the layer's activations).
 */
export function numbered(graph: Graph): Node[] {
  const needed = ancestors(graph.outputs.values());
  const alive = graph.nodes.filter((n) => n.outputs.some((t) => needed.has(t)));
  const consumed = new Set(alive.flatMap((n) => n.inputs));
  const inner = alive.filter((n) => n.outputs.some((t) => consumed.has(t)));
  const leaves = alive.filter((n) => !n.outputs.some((t) => consumed.has(t)));
  const phase = (nodes: readonly Node[], name: Node["phase"]) => nodes.filter((n) => n.phase === name);
  return [
    ...phase(inner, "forward"),
    ...phase(inner, "recompute"),
    ...phase(inner, "backward"),
    ...phase(leaves, "recompute"),
    ...phase(leaves, "backward").reverse(),
    ...phase(leaves, "forward"),
  ];
}

/** A forward node that reads a gradient would come before it. */
function requireOrder(order: readonly Node[]): void {
  const made = new Set<Tensor>();
  for (const node of order) {
    const early = node.inputs.find((t) => t.source.kind === "node" && !made.has(t));
    if (early)
      throw new ShapeError(
        `emit ${node.op}`,
        "inputs of this or an earlier phase",
        `a ${node.phase} node before its input`,
      );
    for (const t of node.outputs) made.add(t);
  }
}

class Namer {
  readonly literals = new Literals();
  private readonly names = new Map<Tensor, string>();
  private count = 0;
  constructor(graph: Graph) {
    for (const [name, tensor] of graph.outputs) {
      if (tensor.source.kind === "node" && !this.names.has(tensor)) this.names.set(tensor, name);
    }
  }

  readonly of = (tensor: Tensor): string => {
    let name = this.names.get(tensor);
    if (name === undefined) {
      const { source } = tensor;
      name = source.kind === "input" ? inputName(tensor) : `${source.kind === "constant" ? "c" : "t"}${tensor.id}`;
      if (source.kind === "constant") this.literals.put(name, () => source.data);
      this.names.set(tensor, name);
    }
    return name;
  };

  /** A name for a value that the graph does not have. */
  between(): string {
    return `s${this.count++}`;
  }
}

/**
 * The model of everything that the graph's outputs need. Unused inputs stay, so that the interface is the graph's.
 * Throws ShapeError when the graph is not well formed.
 */
export function toOnnx(
  graph: Graph,
  { form = "native", opset = OPSET, verified = false }: EmitOptions = {},
): OnnxModel {
  if (!verified) verify(graph);
  const namer = new Namer(graph);
  const { literals, of } = namer;
  const nodes: OnnxNode[] = [];
  const put: Put = (opType, inputs, attributes, outputs = [namer.between()]) => {
    nodes.push({ opType, inputs, outputs, attributes });
    return outputs[0];
  };
  const order = numbered(graph);
  requireOrder(order);
  const used = new Set([...order.flatMap((n) => n.inputs), ...graph.outputs.values()]);
  for (const node of order) {
    // Optional outputs that nobody reads are left out.
    const outputs = node.outputs.map((t, i) => (i === 0 || used.has(t) ? of(t) : ""));
    if (form === "standard" && expand(node, { put, literals, opset, outputs, of })) continue;
    const emission = (RULES[node.op] as Rule<unknown>)(node.attributes);
    nodes.push({
      opType: emission.opType ?? node.op,
      domain: emission.domain,
      inputs: [...node.inputs.map(of), ...(emission.integers ?? []).map((v) => literals.integers(v))],
      outputs,
      attributes: emission.attributes,
    });
  }
  for (const [name, tensor] of graph.outputs) {
    if (of(tensor) !== name) nodes.push({ opType: "Identity", inputs: [of(tensor)], outputs: [name] });
  }
  return {
    nodes,
    inputs: graph.inputs.map((t) => ({ name: inputName(t), dtype: t.dtype, shape: t.shape })),
    outputs: [...graph.outputs].map(([name, t]) => ({ name, dtype: t.dtype, shape: t.shape })),
    initializers: literals.initializers,
    opset,
  };
}
