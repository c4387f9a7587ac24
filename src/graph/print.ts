/** @file A graph as text, one line a node: `%7: float32[1,256] = FusedMatMul(%3, %weights) {transB: true}`. */

import type { TensorData } from "../core/tensor-data.js";
import type { Graph, Node, Phase, Tensor } from "./graph.js";
import type { TensorType } from "./infer.js";

/** `float32[2,3]`. */
export function showType({ dtype, shape }: TensorType): string {
  return `${dtype}[${shape}]`;
}

/** Seven digits: all that float32 holds. */
const showScalar = ({ data }: TensorData) => `${Number(Number(data[0]).toPrecision(7))}`;

/** Inputs by name, scalar constants as their value, larger constants %c0, %c1, .., outputs of nodes %0, %1, .. */
function names(graph: Graph): Map<Tensor, string> {
  const found = new Map<Tensor, string>();
  for (const t of graph.inputs) if (t.source.kind === "input") found.set(t, `%${t.source.name}`);
  let constants = 0;
  let results = 0;
  const nameConstant = (t: Tensor) => {
    if (t.source.kind !== "constant" || found.has(t)) return;
    found.set(t, t.shape.length === 0 ? showScalar(t.source.data) : `%c${constants++}`);
  };
  for (const node of graph.nodes) {
    node.inputs.forEach(nameConstant);
    for (const t of node.outputs) found.set(t, `%${results++}`);
  }
  for (const t of graph.outputs.values()) nameConstant(t);
  return found;
}

function showAttributes(attributes: object): string {
  const set = Object.entries(attributes).filter(([, value]) => value !== false);
  if (set.length === 0) return "";
  return ` {${set.map(([key, value]) => `${key}: ${Array.isArray(value) ? `[${value}]` : value}`).join(", ")}}`;
}

function line(node: Node, nameOf: ReadonlyMap<Tensor, string>): string {
  const name = (t: Tensor) => nameOf.get(t) ?? "%unknown";
  const results = node.outputs.map((t) => `${name(t)}: ${showType(t)}`).join(", ");
  return `${results} = ${node.op}(${node.inputs.map(name).join(", ")})${showAttributes(node.attributes)}`;
}

/** The line of one node, numbered as in the print of its whole graph. For error messages. */
export function printNode(graph: Graph, node: Node): string {
  return line(node, names(graph));
}

/**
 * The whole graph: inputs, large constants, nodes in order, outputs. Numbers count node outputs from 0, so the print
 * does not depend on how tensors were made. Comments mark regions with a gradient of their own, and where the phase
 * changes.
 */
export function printGraph(graph: Graph): string {
  const nameOf = names(graph);
  const lines = [`graph ${graph.name}`];
  for (const t of graph.inputs) lines.push(`input ${nameOf.get(t)}: ${showType(t)}`);
  for (const [t, name] of nameOf) {
    if (t.source.kind === "constant" && name.startsWith("%")) lines.push(`constant ${name}: ${showType(t)}`);
  }
  let phase: Phase = "forward";
  let depth = 0;
  graph.nodes.forEach((node, i) => {
    if (node.phase !== phase) lines.push(`# ${node.phase}`);
    phase = node.phase;
    for (const _ of graph.regions.filter((r) => r.start === i)) lines.push(`${"  ".repeat(depth++)}# region`);
    lines.push("  ".repeat(depth) + line(node, nameOf));
    for (const _ of graph.regions.filter((r) => r.end === i + 1)) lines.push(`${"  ".repeat(--depth)}# end`);
  });
  for (const [name, t] of graph.outputs) lines.push(`output ${name} = ${nameOf.get(t) ?? "%unknown"}`);
  return lines.join("\n");
}
