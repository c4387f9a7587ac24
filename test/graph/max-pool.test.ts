import { expect, test } from "vitest";
import { maxPool, mul, reduceSum } from "../../src/graph/build.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph } from "../../src/graph/graph.js";
import { interpret } from "../../src/graph/interpret.js";

/** d/dx of the sum over windows of weight * maximum; the windows of [1, 1, rows, columns] count 1, 2, 3, .. */
function gradientOf(
  values: readonly number[],
  [rows, columns]: readonly number[],
  attributes: Parameters<typeof maxPool>[1],
) {
  const graph = new Graph("pool");
  const x = graph.input("x", "float32", [1, 1, rows, columns]);
  const y = maxPool(x, attributes);
  const weights = {
    dtype: "float32",
    shape: y.shape,
    data: Float32Array.from({ length: y.shape[2] * y.shape[3] }, (_, i) => i + 1),
  } as const;
  const [dx] = gradients(reduceSum(mul(y, graph.constant(weights))), [x]);
  const feeds = new Map([["x", { dtype: "float32", shape: x.shape, data: Float64Array.from(values) } as const]]);
  return Array.from(interpret([dx], feeds)[0].data);
}

test("of equal maxima the first in row-major order gets the gradient", () => {
  const attributes = { kernel: [2, 2], strides: [2, 2], pads: [0, 0, 0, 0] } as const;
  // Windows [3 3; 3 3] and [1 2; 2 0].
  expect(gradientOf([3, 3, 1, 2, 3, 3, 2, 0], [2, 4], attributes)).toEqual([1, 0, 0, 2, 0, 0, 0, 0]);
});

test("padding never gets it, also where the maximum is as large as the padding, or less", () => {
  const attributes = { kernel: [2, 2], strides: [1, 1], pads: [1, 1, 0, 0] } as const;
  expect(gradientOf([0, 0, 0, 0], [2, 2], attributes)).toEqual([1 + 2 + 3 + 4, 0, 0, 0]);
  expect(gradientOf([-1, -2, -3, -4], [2, 2], attributes)).toEqual([1 + 2 + 3 + 4, 0, 0, 0]);
});

test("windows that share a maximum add up, and an edge that no window reaches gets nothing", () => {
  const attributes = { kernel: [1, 3], strides: [1, 2], pads: [0, 0, 0, 0] } as const;
  expect(gradientOf([0, 1, 5, 1, 0, 9], [1, 6], attributes)).toEqual([0, 0, 1 + 2, 0, 0, 0]);
});
