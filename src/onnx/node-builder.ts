/** @file Nodes one after another, each computation once. */

import { Literals } from "./literals.js";
import { ELEMENT_TYPE, type OnnxNode } from "./protobuf.js";

export type Attributes = OnnxNode["attributes"];

/** From this version on the axes of every reduction are an input. */
export const REDUCTION_AXES_OPSET = 18;

export class NodeBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly literals = new Literals();
  private readonly known = new Map<string, readonly string[]>();

  /** @param opset version of the operator set that the nodes are of */
  constructor(readonly opset: number) {}

  /** The first output of an operator of ONNX's. */
  op(opType: string, inputs: readonly string[], attributes?: Attributes): string {
    return this.outputs(opType, inputs, 1, attributes)[0];
  }

  /** All `count` outputs. */
  outputs(opType: string, inputs: readonly string[], count: number, attributes?: Attributes): readonly string[] {
    const key = JSON.stringify([opType, inputs, count, attributes ?? {}]);
    const known = this.known.get(key);
    if (known) return known;
    const outputs = Array.from({ length: count }, (_, i) => `v${this.known.size}${i === 0 ? "" : `.${i}`}`);
    this.known.set(key, outputs);
    this.nodes.push({ opType, inputs, outputs, attributes });
    return outputs;
  }

  /** int64, a list. */
  ints(...values: readonly number[]): string {
    return this.literals.integers(values);
  }

  /** float32 without axes. */
  scalar(value: number): string {
    return this.literals.scalar(value);
  }

  cast(x: string, to: "float32" | "int64" | "bool" | "uint8"): string {
    return this.op("Cast", [x], { to: ELEMENT_TYPE[to] });
  }

  /** x with axes of length 1 at these places of the result. */
  unsqueeze(x: string, ...axes: readonly number[]): string {
    return this.op("Unsqueeze", [x, this.ints(...axes)]);
  }

  /** x from `start` to before `end` along an axis; both are int64 lists of one. */
  slice(x: string, axis: number, start: string, end: string): string {
    return this.op("Slice", [x, start, end, this.ints(axis)]);
  }

  /** The largest of x along an axis, which goes. */
  max(x: string, axis: number): string {
    return this.opset < REDUCTION_AXES_OPSET
      ? this.op("ReduceMax", [x], { axes: [axis], keepdims: 0 })
      : this.op("ReduceMax", [x, this.ints(axis)], { keepdims: 0 });
  }

  /** The sum of x along an axis, which goes. */
  sum(x: string, axis: number): string {
    return this.op("ReduceSum", [x, this.ints(axis)], { keepdims: 0 });
  }

  concat(parts: readonly string[], axis: number): string {
    return parts.length === 1 ? parts[0] : this.op("Concat", parts, { axis });
  }

  /** 0, 1, .. below `count`, which is an int64 list of one. */
  range(count: string): string {
    const one = (value: number) => this.literals.integers([value], []);
    return this.op("Range", [one(0), this.op("Squeeze", [count]), one(1)]);
  }
}
