/**
 * @file Cuts a graph with gradients in two, so that something outside the graph can happen between forward and
 * backward.
 */

import { ancestors, Graph, inputName, type Node, type Tensor } from "./graph.js";
import type { OpName } from "./operators.js";
import { verify } from "./verify.js";

export interface Halves {
  /** Computes the outputs that need no gradient, and the residuals. */
  readonly forward: Graph;
  /** Computes the other outputs; takes the residuals as inputs of the same names. */
  readonly backward: Graph;
  /** Activations that are handed over. */
  readonly residuals: readonly string[];
}

/** They move values at most: the second half redoes them, so that what they read need not be handed over twice. */
const LAYOUT: ReadonlySet<OpName> = new Set(["Reshape", "Transpose", "Expand", "Slice"]);

/** Copies nodes of one graph into another, each tensor once. */
class Copier {
  private readonly copies = new Map<Tensor, Tensor>();
  constructor(private readonly into: Graph) {}

  /** Stands for `tensor` from now on. */
  replace(tensor: Tensor, copy: Tensor): void {
    this.copies.set(tensor, copy);
  }

  of(tensor: Tensor): Tensor {
    const known = this.copies.get(tensor);
    if (known) return known;
    const { source } = tensor;
    if (source.kind === "node") throw new RangeError(`split: tensor ${tensor.id} is used before it is copied`);
    const copy =
      source.kind === "constant"
        ? this.into.constant(source.data)
        : this.into.input(source.name, tensor.dtype, tensor.shape);
    this.copies.set(tensor, copy);
    return copy;
  }

  node({ op, inputs, attributes, outputs, phase }: Node): void {
    const read = inputs.map((t) => this.of(t));
    const made = this.into.during(phase, () => this.into.apply(op, read, attributes));
    outputs.forEach((t, i) => {
      this.copies.set(t, made[i]);
    });
  }
}

const producer = ({ source }: Tensor) => (source.kind === "node" ? source.node : undefined);

/**
 * Splits at the first gradient. Every tensor that the gradients read is handed over as a residual, except what is cheap
 * to make again: views and moves of other residuals, and whatever depends on no input named in `data` (transformed
 * weights).
 */
export function splitAtGradients(graph: Graph, data: ReadonlySet<string>): Halves {
  const alive = ancestors(graph.outputs.values());
  const nodes = graph.nodes.filter((node) => node.outputs.some((t) => alive.has(t)));
  const late = new Set(nodes.filter(({ phase }) => phase !== "forward"));
  const fromData = new Set(graph.inputs.filter((t) => data.has(inputName(t))));
  for (const { inputs, outputs } of nodes) {
    if (inputs.some((t) => fromData.has(t))) for (const t of outputs) fromData.add(t);
  }
  const again = new Set<Node>();
  const residuals = new Set<Tensor>();
  const handOver = (tensor: Tensor): void => {
    const node = producer(tensor);
    if (!node || late.has(node) || again.has(node) || residuals.has(tensor)) return;
    if (fromData.has(tensor) && !LAYOUT.has(node.op)) residuals.add(tensor);
    else {
      again.add(node);
      node.inputs.forEach(handOver);
    }
  };
  for (const { inputs } of late) inputs.forEach(handOver);

  const isLate = (t: Tensor) => late.has(producer(t) as Node);
  const names = new Map<Tensor, string>();
  for (const [name, t] of graph.outputs) if (!isLate(t)) names.set(t, name);
  const handedOver = [...residuals].map((t) => [names.get(t) ?? `residual.${t.id}`, t] as const);

  const forward = new Graph(`${graph.name}, forward`, graph.tileBytes);
  const first = new Copier(forward);
  const ends = [...graph.outputs].filter(([, t]) => !isLate(t));
  const needed = ancestors([...ends.map(([, t]) => t), ...residuals]);
  for (const node of nodes) if (node.outputs.some((t) => needed.has(t))) first.node(node);
  for (const [name, t] of new Map([...ends, ...handedOver])) forward.output(name, first.of(t));

  const backward = new Graph(`${graph.name}, backward`, graph.tileBytes);
  const second = new Copier(backward);
  for (const [name, t] of handedOver) second.replace(t, backward.input(name, t.dtype, t.shape));
  for (const node of nodes) if (late.has(node) || again.has(node)) second.node(node);
  for (const [name, t] of graph.outputs) if (isLate(t)) backward.output(name, second.of(t));
  for (const half of [forward, backward]) verify(half);
  return { forward, backward, residuals: handedOver.map(([name]) => name) };
}
