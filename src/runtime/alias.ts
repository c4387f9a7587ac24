/** @file Whether a graph may write an output over one of its inputs while it runs. */
import type { OnnxNode } from "../onnx/protobuf.js";

/** Operators whose output element i depends on element i of their inputs only, up to broadcasting. */
const ELEMENTWISE = new Set(
  (
    "Abs Add And Cast Ceil Clip Cos Div Equal Erf Exp Floor Gelu Greater GreaterOrEqual Identity IsInf IsNaN " +
    "Less LessOrEqual Log Max " +
    "Min Mul Neg Not Or Pow Reciprocal Relu Round Sigmoid Sign Sin Sqrt Sub Sum Tanh Where Xor"
  ).split(" "),
);

/** Every node on which `value` depends. */
function ancestors(producers: ReadonlyMap<string, OnnxNode>, value: string): Set<OnnxNode> {
  const seen = new Set<OnnxNode>();
  const open = [value];
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = producers.get(name);
    if (!node || seen.has(node)) continue;
    seen.add(node);
    open.push(...node.inputs);
  }
  return seen;
}

/** Why output `fetch` must not share memory with input `feed`; undefined when it may. */
export type AliasFault = (feed: string, fetch: string) => string | undefined;

/**
 * The check for a graph. The engine does not know that two tensors share memory: it is safe when whatever reads the
 * input is done before the output is written (the output depends on it) and, even if both are fused into one kernel,
 * reads each element before that element is written (the reader is elementwise).
 */
export function aliasChecker(nodes: readonly OnnxNode[]): AliasFault {
  const producers = new Map<string, OnnxNode>();
  const readers = new Map<string, OnnxNode[]>();
  for (const node of nodes) {
    for (const output of node.outputs) producers.set(output, node);
    for (const input of node.inputs) {
      const known = readers.get(input);
      if (known) known.push(node);
      else readers.set(input, [node]);
    }
  }
  return (feed, fetch) => {
    const before = ancestors(producers, fetch);
    for (const node of readers.get(feed) ?? []) {
      if (!before.has(node)) return `${node.opType} may read "${feed}" after "${fetch}" is written`;
      if (!ELEMENTWISE.has(node.opType)) return `${node.opType} reads "${feed}" and is not elementwise`;
    }
    return undefined;
  };
}
