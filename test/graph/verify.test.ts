import { describe, expect, test } from "vitest";
import { ShapeError } from "../../src/core/errors.js";
import * as b from "../../src/graph/build.js";
import { gradients, recompute } from "../../src/graph/differentiate.js";
import { Graph, type Node, type Region, type Tensor } from "../../src/graph/graph.js";
import { verify } from "../../src/graph/verify.js";

/** y = softmax(x) + x, with its gradient. */
function soundGraph(): Graph {
  const graph = new Graph("sound");
  const x = graph.input("x", "float32", [2, 3]);
  const [y] = recompute(graph, () => [b.add(b.softmax(x), x)]);
  const [dx] = gradients(b.reduceSum(b.mul(y, y)), [x]);
  graph.output("dx", dx);
  return graph;
}

/** Replaces fields of node i, as a faulty pass would. */
function change(graph: Graph, i: number, fields: Partial<Node>): Graph {
  Object.assign(graph.nodes[i], fields);
  return graph;
}

const fail = (graph: Graph) => {
  try {
    verify(graph);
  } catch (error) {
    expect(error).toBeInstanceOf(ShapeError);
    return (error as Error).message;
  }
  return "no fault found";
};

test("a sound graph passes", () => {
  verify(soundGraph());
});

describe("finds, and shows the node:", () => {
  test("an input of another graph", () => {
    const stranger = new Graph("other").input("s", "float32", [2, 3]);
    expect(fail(change(soundGraph(), 0, { inputs: [stranger] }))).toMatchInlineSnapshot(
      `"%0: float32[2,3] = Softmax(%unknown): expected inputs of this graph that exist before the node, found ` +
        `input 0 of graph other."`,
    );
  });

  test("an input that is made later", () => {
    const graph = soundGraph();
    graph.nodes.reverse();
    expect(fail(graph)).toContain("exist before the node, found input 0 from later or nowhere");
  });

  test("a recorded shape that inference does not give", () => {
    const graph = soundGraph();
    const narrow = { ...graph.nodes[1].outputs[0], shape: [2, 4] } as Tensor;
    expect(fail(change(graph, 1, { outputs: [narrow] }))).toMatchInlineSnapshot(
      `"%1: float32[2,4] = Add(%0, %x): expected outputs of type float32[2,3], found float32[2,4]."`,
    );
  });

  test("inputs that no longer fit the operator", () => {
    const graph = soundGraph();
    const odd = graph.constant({ dtype: "float32", shape: [5], data: new Float32Array(5) });
    expect(fail(change(graph, 1, { inputs: [odd, graph.inputs[0]] }))).toContain("shapes that broadcast");
  });

  test("an output that belongs to another node", () => {
    const graph = soundGraph();
    expect(fail(change(graph, 1, { outputs: graph.nodes[0].outputs }))).toContain("to come from this node");
  });

  test("a constant with the wrong number of elements", () => {
    const graph = new Graph("constants");
    const short = graph.constant({ dtype: "float32", shape: [4], data: new Float32Array(3) });
    b.neg(short);
    expect(fail(graph)).toMatchInlineSnapshot(
      `"%0: float32[4] = Neg(%c0): expected 4 elements in the constant [4], found 3."`,
    );
  });

  test("a recomputed node that waits for a gradient", () => {
    const graph = soundGraph();
    const backward = graph.nodes.find((node) => node.phase === "backward")!;
    graph.during("recompute", () => b.neg(backward.outputs[0]));
    expect(fail(graph)).toContain("a recomputed node to need no gradient");
  });

  test("regions that cross, are empty or reach outside", () => {
    const withRegions = (...regions: readonly [number, number][]) => {
      const graph = soundGraph();
      graph.regions.length = 0;
      graph.regions.push(...regions.map(([start, end]): Region => ({ start, end, outputs: [], backward: () => {} })));
      return fail(graph);
    };
    expect(withRegions([0, 3], [1, 2], [3, 4])).toBe("no fault found");
    expect(withRegions([0, 2], [1, 3])).toContain("regions that nest, found [0, 2) and [1, 3)");
    expect(withRegions([1, 3], [0, 2])).toContain("regions that nest");
    expect(withRegions([2, 2])).toContain("regions within");
    expect(withRegions([0, 999])).toContain("regions within");
  });

  test("an output that is no tensor of the graph, or has the name of an input", () => {
    const foreign = soundGraph();
    foreign.output("y", new Graph("other").input("x", "float32", []));
    expect(fail(foreign)).toContain('output "y" of graph sound: expected a tensor of this graph');
    const shadowing = soundGraph();
    shadowing.output("x", shadowing.nodes[0].outputs[0]);
    expect(fail(shadowing)).toContain("a name that no input has");
  });
});
