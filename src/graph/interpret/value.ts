/** @file What the interpreter computes with, and the index arithmetic that its operators share. */

import type { DType, Shape } from "../../core/tensor-data.js";
import type { TensorType } from "../infer.js";

/**
 * Every element is a float64, whatever the type: exact for float32, bool and int64 below 2^53, and finite
 * differences of float32 graphs come out eight digits sharper than the graph itself could give them.
 */
export interface Value {
  readonly dtype: DType;
  readonly shape: Shape;
  /** Row-major. */
  readonly data: Float64Array;
}

/** Computes the data of an operator's outputs, whose types are already inferred. */
export type Kernel<Attributes> = (
  inputs: readonly Value[],
  attributes: Attributes,
  outputs: readonly TensorType[],
) => readonly Float64Array[];

/** Row-major strides. */
export function stridesOf(shape: Shape): number[] {
  return shape.map((_, axis) => shape.slice(axis + 1).reduce((n, d) => n * d, 1));
}

/** Strides that read a tensor of shape `from` as if it were broadcast to shape `to`: 0 along the new elements. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const lead = to.length - from.length;
  const strides = stridesOf(from);
  return to.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : strides[axis - lead]));
}

/** start + sum_axis i_axis strides_axis for every index i of `shape`, in row-major order. */
export function offsets(shape: Shape, strides: readonly number[], start = 0): Int32Array {
  let found = Int32Array.of(start);
  shape.forEach((size, axis) => {
    const next = new Int32Array(found.length * size);
    for (let i = 0; i < next.length; i++) next[i] = found[Math.floor(i / size)] + (i % size) * strides[axis];
    found = next;
  });
  return found;
}

/** The elements of `data` at `positions`. */
export function pick(data: Float64Array, positions: Int32Array): Float64Array {
  return Float64Array.from(positions, (i) => data[i]);
}
