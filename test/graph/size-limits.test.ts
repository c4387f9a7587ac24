import { expect, it } from "vitest";
import * as g from "../../src/graph/build.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph } from "../../src/graph/graph.js";
import { attend } from "../../src/nn/attention.js";

it("a graph of too many operators is refused as input, not built for minutes", () => {
  const graph = new Graph("deep");
  const build = () => {
    let x = graph.input("x", "float32", [1]);
    for (;;) x = g.relu(x);
  };
  expect(build).toThrow(/the graph "deep": expected at most 100,000 operators.* Take fewer layers or smaller images/);
});

it("attention over 40,000 positions takes no more nodes than over 10,000", () => {
  const nodes = (positions: number) => {
    const graph = new Graph("attention");
    const [q, k, v] = ["q", "k", "v"].map((name) => graph.input(name, "float32", [8, positions, 32]));
    gradients(g.reduceSum(attend(q, k, v)), [q, k, v]);
    return graph.nodes.length;
  };
  expect(nodes(40_000)).toBe(nodes(10_000));
});
