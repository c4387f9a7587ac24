import { expect, test } from "vitest";
import { floats } from "../../src/core/tensor-data.js";
import * as g from "../../src/graph/build.js";
import { recompute, vectorJacobian } from "../../src/graph/differentiate.js";
import { Graph, inputName } from "../../src/graph/graph.js";
import { type Feed, interpret, type Value } from "../../src/graph/interpret.js";
import { splitAtGradients } from "../../src/graph/split.js";

/** y = relu(x W) V, with gradients of W and V for a seed of y. */
function build(again = false) {
  const graph = new Graph("whole");
  const x = graph.input("x", "float32", [2, 3]);
  const w = graph.input("w", "float32", [3, 4]);
  const v = graph.input("v", "float32", [5, 4]);
  const hidden = () => [g.relu(g.matMul(x, w))];
  const [h] = again ? recompute(graph, hidden) : hidden();
  const y = g.reshape(g.matMul(h, g.transpose(v, [1, 0])), [10]);
  graph.output("y", y);
  const seed = graph.input("seed", "float32", [10]);
  vectorJacobian([y], [seed], [w, v]).forEach((gradient, i) => {
    graph.output(`d${i}`, gradient);
  });
  return graph;
}

const values = (shape: number[], offset: number) => {
  const size = shape.reduce((a, b) => a * b, 1);
  return floats(
    shape,
    Array.from({ length: size }, (_, i) => Math.sin(i + offset)),
  );
};
const FEEDS = new Map([
  ["x", values([2, 3], 1)],
  ["w", values([3, 4], 2)],
  ["v", values([5, 4], 3)],
  ["seed", values([10], 4)],
]);

/** The outputs of a graph by name. */
function outputsOf(graph: Graph, feeds: ReadonlyMap<string, Feed>): Map<string, Value> {
  const found = interpret([...graph.outputs.values()], feeds);
  return new Map([...graph.outputs.keys()].map((name, i) => [name, found[i]]));
}

test.each([false, true])("the halves compute what the whole graph does (recomputing: %s)", (again) => {
  const expected = outputsOf(build(again), FEEDS);
  const { forward, backward, residuals } = splitAtGradients(build(again), new Set(["x"]));
  const first = outputsOf(forward, FEEDS);
  const handedOver = residuals.map((name) => [name, first.get(name) as Feed] as const);
  const second = outputsOf(backward, new Map([...FEEDS, ...handedOver]));
  expect(first.get("y")).toEqual(expected.get("y"));
  for (const name of ["d0", "d1"]) expect(second.get(name)).toEqual(expected.get(name));
});

test("activations are handed over, views and transformed weights are made again", () => {
  const { forward, backward, residuals } = splitAtGradients(build(), new Set(["x"]));
  expect(residuals).toHaveLength(1); // relu(x W)
  expect(forward.inputs.map(inputName)).toEqual(["x", "w", "v"]);
  expect(backward.inputs.map(inputName).sort()).toEqual([...residuals, "seed", "v", "x"].sort());
  expect(backward.nodes.map(({ op }) => op)).toContain("Transpose");
});

test("what is recomputed is not handed over", () => {
  expect(splitAtGradients(build(true), new Set(["x"])).residuals).toHaveLength(1);
  const { backward } = splitAtGradients(build(true), new Set(["x"]));
  expect(backward.inputs.map(inputName)).toContain("w");
});
