import { expect, test } from "vitest";
import { floats, type Shape } from "../../src/core/tensor-data.js";
import * as g from "../../src/graph/build.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph, type Tensor } from "../../src/graph/graph.js";
import { interpret } from "../../src/graph/interpret.js";
import { attend } from "../../src/nn/attention.js";

const wave = (shape: Shape, frequency: number) =>
  floats(
    shape,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(frequency * (i + 1))),
  );

const [HEADS, QUERIES, KEYS, DEPTH] = [4, 5, 7, 3];
const FACTORS = floats(
  [HEADS, QUERIES, KEYS],
  Array.from({ length: HEADS * QUERIES * KEYS }, (_, i) => (i % 3 === 0 ? 0 : 1.5)),
);
const FEEDS = new Map([
  ["q", wave([HEADS, QUERIES, DEPTH], 1.3)],
  ["k", wave([HEADS, KEYS, DEPTH], 2.1)],
  ["v", wave([HEADS, KEYS, DEPTH], 0.7)],
  ["factors", FACTORS],
]);

type Attention = (q: Tensor, k: Tensor, v: Tensor, factors: Tensor) => Tensor;

/** The output and the gradients of the sum of its squares. */
function computed(attention: Attention, tileBytes?: number): number[][] {
  const graph = new Graph("attention", tileBytes);
  const [q, k, v, factors] = [...FEEDS].map(([name, { dtype, shape }]) => graph.input(name, dtype, shape));
  const y = attention(q, k, v, factors);
  const found = gradients(g.reduceSum(g.mul(y, y)), [q, k, v]);
  return interpret([y, ...found], FEEDS).map(({ data }) => [...data]);
}

const plainly: Attention = (q, k, v, factors) =>
  g.matMul(g.mul(g.softmax(g.matMul(q, k, { transB: true, alpha: 1 / Math.sqrt(DEPTH) })), factors), v);

test.each([undefined, 4 * KEYS * QUERIES, 4 * KEYS * 2])("dropped probabilities, in tiles of %s bytes", (tileBytes) => {
  const expected = computed(plainly);
  const found = computed((q, k, v, factors) => attend(q, k, v, undefined, factors), tileBytes);
  found.forEach((values, i) => {
    values.forEach((value, j) => {
      expect(value).toBeCloseTo(expected[i][j], 12);
    });
  });
});
