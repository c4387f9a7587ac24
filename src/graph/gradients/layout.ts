/** @file Gradients of operators that only move values. */

import { sizeOf } from "../../core/tensor-data.js";
import { concat, gather, pad, reshape, scatterND, slice, transpose, zerosLike } from "../build.js";
import type { Tensor } from "../graph.js";
import type { Operators } from "../operators.js";
import type { GradientRule } from "./rule.js";

const inverse = (perm: readonly number[]) => perm.map((_, i) => perm.indexOf(i));

/** Zeros between the elements of one axis, so that a step of `step` lands on the elements again. */
function spread(x: Tensor, axis: number, step: number): Tensor {
  if (step === 1) return x;
  const outer = [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)];
  const gaps = zerosLike(
    x,
    outer.map((d, i) => (i === axis + 1 ? step - 1 : d)),
  );
  const full = concat([reshape(x, outer), gaps], axis + 1);
  return reshape(
    full,
    x.shape.map((d, i) => (i === axis ? d * step : d)),
  );
}

/** The adjoint of a slice: `x` at every step-th position from `start` on, along an axis of `size` zeros. */
export function unslice(x: Tensor, axis: number, start: number, step: number, size: number): Tensor {
  const spreadOut = spread(x, axis, step);
  const reached = Math.min(spreadOut.shape[axis], size - start);
  const pads = new Array<number>(2 * x.shape.length).fill(0);
  pads[axis] = start;
  pads[axis + x.shape.length] = size - start - reached;
  return pad(slice(spreadOut, axis, 0, reached), pads);
}

const sliceRule: GradientRule<Operators["Slice"]> = ({ inputs: [x], attributes: { axis, start, step }, dy }) => [
  () => unslice(dy, axis, start, step, x.shape[axis]),
];

/** d data = zeros with every row of dy added at its index; defined for axis 0, to which others are transposed. */
const gatherRule: GradientRule<Operators["Gather"]> = ({ inputs: [data, indices], attributes: { axis }, dy }) => [
  () => {
    const moved = [axis, ...data.shape.map((_, i) => i).filter((i) => i !== axis)];
    const rank = indices.shape.length;
    const indexAxes = Array.from({ length: rank }, (_, i) => axis + i);
    const rest = dy.shape.map((_, i) => i).filter((i) => !indexAxes.includes(i));
    const rowShape = moved.slice(1).map((a) => data.shape[a]);
    const rows = reshape(transpose(dy, [...indexAxes, ...rest]), [sizeOf(indices.shape), ...rowShape]);
    const zeros = zerosLike(dy, [data.shape[axis], ...rowShape]);
    return transpose(scatterND(zeros, reshape(indices, [-1, 1]), rows, "add"), inverse(moved));
  },
  null,
];

/**
 * Rows that were replaced get no gradient; those that were added to keep theirs. Updates get the rows at their index.
 */
const scatterRule: GradientRule<Operators["ScatterND"]> = ({ inputs, attributes: { reduction }, dy }) => {
  const [, indices, updates] = inputs;
  if (indices.shape.at(-1) !== 1) throw new Error("the gradient of ScatterND is defined for indices along axis 0");
  const zeros = () => zerosLike(updates);
  return [
    () => (reduction === "add" ? dy : scatterND(dy, indices, zeros(), "none")),
    null,
    () => reshape(gather(dy, reshape(indices, indices.shape.slice(0, -1))), updates.shape),
  ];
};

export const LAYOUT = {
  Reshape: ({ inputs: [x], dy }) => [() => reshape(dy, x.shape)],
  Transpose: ({ attributes: { perm }, dy }) => [() => transpose(dy, inverse(perm))],
  Expand: ({ dy }) => [() => dy],
  Concat: ({ inputs, attributes: { axis }, dy }) => {
    const sizes = inputs.map((x) => x.shape[axis]);
    const starts = sizes.map((_, i) => sizes.slice(0, i).reduce((a, b) => a + b, 0));
    return inputs.map((_, i) => () => slice(dy, axis, starts[i], starts[i] + sizes[i]));
  },
  Slice: sliceRule,
  Pad: ({ inputs: [x], attributes: { pads }, dy }) => [
    () => x.shape.reduce((t, size, axis) => slice(t, axis, pads[axis], pads[axis] + size), dy),
  ],
  Gather: gatherRule,
  ScatterND: scatterRule,
} satisfies { [K in keyof Operators]?: GradientRule<Operators[K]> };
