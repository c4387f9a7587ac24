/** @file Operators that only move values, by definition. */

import { ShapeError } from "../../core/errors.js";
import { type Shape, sizeOf } from "../../core/tensor-data.js";
import type { Operators } from "../operators.js";
import { broadcastStrides, type Kernel, offsets, pick, stridesOf } from "./value.js";

/** Where the elements of a block of shape `block` lie in a tensor of shape `whole` when it starts at `corner`. */
function placed(block: Shape, whole: Shape, corner: readonly number[]): Int32Array {
  const strides = stridesOf(whole);
  return offsets(
    block,
    strides,
    strides.reduce((sum, stride, axis) => sum + stride * corner[axis], 0),
  );
}

/** A position along an axis of `size` elements; negative ones count from the end. */
function position(op: string, index: number, size: number): number {
  if (index < -size || index >= size) throw new ShapeError(op, `indices within an axis of ${size}`, `${index}`);
  return index < 0 ? index + size : index;
}

const transpose: Kernel<Operators["Transpose"]> = ([x], { perm }, [{ shape }]) => {
  const strides = stridesOf(x.shape);
  return [
    pick(
      x.data,
      offsets(
        shape,
        perm.map((axis) => strides[axis]),
      ),
    ),
  ];
};

const concat: Kernel<Operators["Concat"]> = (inputs, { axis }, [{ shape }]) => {
  const y = new Float64Array(sizeOf(shape));
  let start = 0;
  for (const x of inputs) {
    const corner = shape.map((_, i) => (i === axis ? start : 0));
    placed(x.shape, shape, corner).forEach((to, from) => {
      y[to] = x.data[from];
    });
    start += x.shape[axis];
  }
  return [y];
};

const slice: Kernel<Operators["Slice"]> = ([x], { axis, start, step }, [{ shape }]) => {
  const strides = stridesOf(x.shape);
  const steps = strides.map((stride, i) => (i === axis ? stride * step : stride));
  return [pick(x.data, offsets(shape, steps, start * strides[axis]))];
};

const pad: Kernel<Operators["Pad"]> = ([x], { pads }, [{ shape }]) => {
  const y = new Float64Array(sizeOf(shape));
  placed(x.shape, shape, pads).forEach((to, from) => {
    y[to] = x.data[from];
  });
  return [y];
};

/** y[before, i, after] = data[before, indices[i], after]. */
const gather: Kernel<Operators["Gather"]> = ([data, indices], { axis }, [{ shape }]) => {
  const size = data.shape[axis];
  const count = indices.data.length;
  const after = sizeOf(data.shape.slice(axis + 1));
  return [
    Float64Array.from({ length: sizeOf(shape) }, (_, at) => {
      const row = position("Gather", indices.data[Math.floor(at / after) % count], size);
      const before = Math.floor(at / (after * count));
      return data.data[(before * size + row) * after + (at % after)];
    }),
  ];
};

const scatterND: Kernel<Operators["ScatterND"]> = ([data, indices, updates], { reduction }) => {
  const y = data.data.slice();
  const depth = indices.shape.at(-1)!;
  const strides = stridesOf(data.shape);
  const width = sizeOf(data.shape.slice(depth));
  for (let i = 0; i * width < updates.data.length; i++) {
    let start = 0;
    for (let axis = 0; axis < depth; axis++) {
      start += strides[axis] * position("ScatterND", indices.data[i * depth + axis], data.shape[axis]);
    }
    for (let j = 0; j < width; j++) {
      y[start + j] = (reduction === "add" ? y[start + j] : 0) + updates.data[i * width + j];
    }
  }
  return [y];
};

export const LAYOUT = {
  Reshape: ([x]) => [x.data],
  Transpose: transpose,
  Expand: ([x], { shape }) => [pick(x.data, offsets(shape, broadcastStrides(x.shape, shape)))],
  Concat: concat,
  Slice: slice,
  Pad: pad,
  Gather: gather,
  ScatterND: scatterND,
} satisfies { [K in keyof Operators]?: Kernel<Operators[K]> };
