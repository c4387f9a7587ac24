import { expect, test } from "vitest";
import { floats } from "../../src/core/tensor-data.js";
import * as b from "../../src/graph/build.js";
import { gradients, recompute } from "../../src/graph/differentiate.js";
import { Graph } from "../../src/graph/graph.js";
import { printGraph, printNode } from "../../src/graph/print.js";

function headGraph(): Graph {
  const graph = new Graph("head");
  const x = graph.input("x", "float32", [2, 3]);
  const w = graph.input("head.weight", "float32", [4, 3]);
  const ones = graph.constant(floats([4], [1, 1, 1, 1]));
  const [y, mean] = b.layerNormalization(b.matMul(x, w, { transB: true, alpha: 0.1 }), ones, ones, 1e-5);
  graph.output("y", b.mul(b.transpose(y, [1, 0]), 0.1));
  graph.output("mean", mean);
  return graph;
}

test("inputs and scalars by name and value, large constants by number, nodes one a line", () => {
  expect(printGraph(headGraph())).toMatchInlineSnapshot(`
    "graph head
    input %x: float32[2,3]
    input %head.weight: float32[4,3]
    constant %c0: float32[4]
    %0: float32[2,4] = FusedMatMul(%x, %head.weight) {transB: true, alpha: 0.1}
    %1: float32[2,4], %2: float32[2,1], %3: float32[2,1] = LayerNormalization(%0, %c0, %c0) {epsilon: 0.00001}
    %4: float32[4,2] = Transpose(%1) {perm: [1,0]}
    %5: float32[4,2] = Mul(%4, 0.1)
    output y = %5
    output mean = %2"
  `);
});

test("one node is numbered as in its graph", () => {
  const graph = headGraph();
  expect(printNode(graph, graph.nodes[2])).toMatchInlineSnapshot(`"%4: float32[4,2] = Transpose(%1) {perm: [1,0]}"`);
});

test("phases and nested regions are comments", () => {
  const graph = new Graph("nested");
  const x = graph.input("x", "float32", [3]);
  const [y] = recompute(graph, () => {
    const [inner] = recompute(graph, () => [b.mul(b.softmax(x), x)]);
    return [b.mul(inner, x)];
  });
  const [dx] = gradients(b.reduceSum(y), [x]);
  graph.output("dx", dx);
  expect(printGraph(graph)).toMatchInlineSnapshot(`
    "graph nested
    input %x: float32[3]
    # region
      # region
        %0: float32[3] = Softmax(%x)
        %1: float32[3] = Mul(%0, %x)
      # end
      %2: float32[3] = Mul(%1, %x)
    # end
    %3: float32[] = ReduceSum(%2) {axes: [0]}
    # backward
    %4: float32[1] = Reshape(1) {shape: [1]}
    %5: float32[3] = Expand(%4) {shape: [3]}
    # recompute
    # region
      %6: float32[3] = Softmax(%x)
      %7: float32[3] = Mul(%6, %x)
    # end
    %8: float32[3] = Mul(%7, %x)
    # backward
    %9: float32[3] = Mul(%5, %x)
    %10: float32[3] = Mul(%5, %7)
    # recompute
    %11: float32[3] = Softmax(%x)
    %12: float32[3] = Mul(%11, %x)
    # backward
    %13: float32[3] = Mul(%9, %x)
    %14: float32[3] = Mul(%9, %11)
    %15: float32[3] = Mul(%13, %11)
    %16: float32[1] = ReduceSum(%15) {axes: [0], keepdims: true}
    %17: float32[3] = Sub(%13, %16)
    %18: float32[3] = Mul(%11, %17)
    %19: float32[3] = Add(%14, %18)
    %20: float32[3] = Add(%10, %19)
    output dx = %20"
  `);
});

test("the print does not depend on tensors that were made and not used", () => {
  const build = (extra: boolean) => {
    const graph = new Graph("same");
    const x = graph.input("x", "float32", []);
    if (extra) graph.scalar(7);
    graph.output("y", b.add(x, 1));
    return printGraph(graph);
  };
  expect(build(true)).toBe(build(false));
});
