/**
 * @file A slow, obvious interpreter: what every operator means, and the reference for every faster way to run a graph.
 */

import { ShapeError } from "../core/errors.js";
import { sizeOf, type TensorData } from "../core/tensor-data.js";
import { ancestors, inputName, type Tensor } from "./graph.js";
import { ELEMENTWISE } from "./interpret/elementwise.js";
import { LAYOUT } from "./interpret/layout.js";
import { LINEAR } from "./interpret/linear.js";
import type { Kernel, Value } from "./interpret/value.js";
import type { Operators } from "./operators.js";

export type { Value } from "./interpret/value.js";

/** Complete by type: a new operator does not compile without a row in one of the families. */
const KERNELS: { readonly [K in keyof Operators]: Kernel<Operators[K]> } = { ...ELEMENTWISE, ...LINEAR, ...LAYOUT };

/** The value of a graph input. */
export type Feed = TensorData | Value;

const toValue = ({ dtype, shape, data }: Feed): Value => ({ dtype, shape, data: Float64Array.from(data, Number) });

function feed(tensor: Tensor, feeds: ReadonlyMap<string, Feed>): Value {
  const name = inputName(tensor);
  const given = feeds.get(name);
  const expected = `${tensor.dtype}[${tensor.shape}]`;
  if (!given) throw new ShapeError(`input "${name}"`, expected, "nothing");
  const found = `${given.dtype}[${given.shape}]`;
  if (found !== expected || given.data.length !== sizeOf(tensor.shape)) {
    throw new ShapeError(`input "${name}"`, expected, `${found} with ${given.data.length} elements`);
  }
  return toValue(given);
}

/**
 * The values of `outputs`, in their order, all arithmetic in float64. `feeds` holds the graph inputs they need, by
 * name. Throws ShapeError for a feed that is missing or of the wrong type.
 */
export function interpret(outputs: readonly Tensor[], feeds: ReadonlyMap<string, Feed>): Value[] {
  const needed = ancestors(outputs);
  const values = new Map<Tensor, Value>();
  for (const tensor of needed) {
    if (tensor.source.kind === "input") values.set(tensor, feed(tensor, feeds));
    if (tensor.source.kind === "constant") values.set(tensor, toValue(tensor.source.data));
  }
  for (const node of outputs[0]?.graph.nodes ?? []) {
    if (!node.outputs.some((t) => needed.has(t))) continue;
    const inputs = node.inputs.map((t) => values.get(t)!);
    const kernel = KERNELS[node.op] as Kernel<unknown>;
    kernel(inputs, node.attributes, node.outputs).forEach((data, i) => {
      const { dtype, shape } = node.outputs[i];
      values.set(node.outputs[i], { dtype, shape, data });
    });
  }
  return outputs.map((t) => values.get(t)!);
}
