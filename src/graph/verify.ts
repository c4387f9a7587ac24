/** @file Checks that a graph is well formed; run after every pass that adds to it. */

import { ShapeError } from "../core/errors.js";
import { sizeOf } from "../core/tensor-data.js";
import type { Graph, Node, Region, Tensor } from "./graph.js";
import { infer, type TensorType } from "./infer.js";
import { printNode, showType } from "./print.js";

/** Inputs belong to this graph and exist before the node. */
function checkInputs(graph: Graph, node: Node, defined: ReadonlySet<Tensor>): void {
  node.inputs.forEach((t, i) => {
    const foreign = t.graph !== graph;
    if (!foreign && (t.source.kind === "constant" || defined.has(t))) return;
    throw new ShapeError(
      printNode(graph, node),
      "inputs of this graph that exist before the node",
      foreign ? `input ${i} of graph ${t.graph.name}` : `input ${i} from later or nowhere`,
    );
  });
}

function checkConstant(graph: Graph, node: Node, { shape, source }: Tensor): void {
  if (source.kind !== "constant" || source.data.data.length === sizeOf(shape)) return;
  const found = `${source.data.data.length}`;
  throw new ShapeError(printNode(graph, node), `${sizeOf(shape)} elements in the constant [${shape}]`, found);
}

function inferred(graph: Graph, node: Node): readonly TensorType[] {
  try {
    return infer(node.op, node.inputs, node.attributes);
  } catch (error) {
    throw new ShapeError(printNode(graph, node), "inputs that fit", `a fault: ${(error as Error).message}`);
  }
}

const isSameType = (a: TensorType, b: TensorType | undefined) =>
  a.dtype === b?.dtype && a.shape.length === b.shape.length && a.shape.every((length, i) => length === b.shape[i]);

/** The recorded types are those that inference gives, and every output knows the node that makes it. */
function checkOutputs(graph: Graph, node: Node): void {
  const expected = inferred(graph, node);
  if (expected.length !== node.outputs.length || !expected.every((type, i) => isSameType(type, node.outputs[i]))) {
    const show = (types: readonly TensorType[]) => types.map(showType).join(", ");
    throw new ShapeError(printNode(graph, node), `outputs of type ${show(expected)}`, show(node.outputs));
  }
  node.outputs.forEach((t, index) => {
    const { source } = t;
    if (t.graph !== graph || source.kind !== "node" || source.node !== node || source.index !== index) {
      throw new ShapeError(
        printNode(graph, node),
        `output ${index} to come from this node`,
        `a source of kind ${source.kind}`,
      );
    }
  });
}

/** Recomputation happens while gradients are pending: it may not wait for one. */
function checkPhase(graph: Graph, node: Node): void {
  if (node.phase !== "recompute") return;
  const late = node.inputs.find(({ source }) => source.kind === "node" && source.node.phase === "backward");
  if (late) throw new ShapeError(printNode(graph, node), "a recomputed node to need no gradient", "one as input");
}

/** Two regions are disjoint or one lies in the other; each holds nodes of this graph. */
function checkRegions({ name, nodes, regions }: Graph): void {
  const show = (r: Region) => `[${r.start}, ${r.end})`;
  regions.forEach((a, i) => {
    if (a.start < 0 || a.start >= a.end || a.end > nodes.length) {
      throw new ShapeError(`graph ${name}`, `regions within its ${nodes.length} nodes`, show(a));
    }
    for (const b of regions.slice(i + 1)) {
      const [first, second] = a.start <= b.start ? [a, b] : [b, a];
      const crossing = first.start < second.start && second.start < first.end && first.end < second.end;
      if (crossing) throw new ShapeError(`graph ${name}`, "regions that nest", `${show(a)} and ${show(b)}`);
    }
  });
}

function checkGraphOutputs(graph: Graph, defined: ReadonlySet<Tensor>): void {
  for (const [name, t] of graph.outputs) {
    const where = `output "${name}" of graph ${graph.name}`;
    const isInput = graph.inputs.some((x) => x.source.kind === "input" && x.source.name === name);
    if (name === "" || isInput) throw new ShapeError(where, "a name that no input has", `"${name}"`);
    if (t.graph !== graph || (t.source.kind !== "constant" && !defined.has(t))) {
      throw new ShapeError(where, "a tensor of this graph", `one of graph ${t.graph.name}`);
    }
  }
}

/** Throws a ShapeError that shows the first node, region or output that is not well formed. */
export function verify(graph: Graph): void {
  const defined = new Set(graph.inputs);
  for (const node of graph.nodes) {
    checkInputs(graph, node, defined);
    for (const t of node.inputs) checkConstant(graph, node, t);
    checkOutputs(graph, node);
    checkPhase(graph, node);
    for (const t of node.outputs) defined.add(t);
  }
  checkRegions(graph);
  checkGraphOutputs(graph, defined);
}
