import { describe, expect, test } from "vitest";
import * as b from "../../src/graph/build.js";
import { costOf } from "../../src/graph/cost.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph, type Tensor } from "../../src/graph/graph.js";
import { executionOrder, memoryPeak } from "../../src/runtime/memory-plan.js";

const graph = new Graph("test");
const input = (...shape: number[]) => graph.input(`x${graph.inputs.length}`, "float32", shape);
const nodeOf = (t: Tensor) => (t.source.kind === "node" ? [t.source.node] : []);
const PADDED = { strides: [2, 2], pads: [1, 1, 1, 1] } as const;

describe("costOf", () => {
  const cost = (t: Tensor) => costOf(nodeOf(t));

  test.each([
    ["batched product", b.matMul(input(3, 4, 5), input(3, 5, 6)), 2 * 3 * 4 * 5 * 6],
    ["product of a transposed matrix", b.matMul(input(3, 5, 4), input(5, 6), { transA: true }), 2 * 3 * 4 * 5 * 6],
    ["Gemm", b.gemm(input(5, 4), input(5, 6), undefined, { transA: true }), 2 * 4 * 5 * 6],
    ["Gemm with bias", b.gemm(input(4, 5), input(6, 5), input(6), { transB: true }), 2 * 4 * 5 * 6 + 4 * 6],
    ["Conv", b.conv(input(2, 3, 8, 8), input(5, 3, 3, 3), PADDED), 2 * (2 * 5 * 4 * 4) * (3 * 3 * 3)],
    ["Conv with bias", b.conv(input(2, 3, 8, 8), input(5, 3, 3, 3), PADDED, input(5)), 2 * 5 * 4 * 4 * (2 * 27 + 1)],
  ])("%s", (_, t, products) => {
    expect(cost(t)).toMatchObject({ products, elementwise: 0 });
  });

  test("a transposed convolution costs what the convolution does whose gradient it is", () => {
    const [y, w] = [input(2, 5, 4, 4), input(5, 3, 3, 3)];
    const x = b.convTranspose(y, w, { ...PADDED, outputPadding: [1, 1] });
    expect(cost(x).products).toBe(cost(b.conv(input(...x.shape), w, PADDED)).products);
  });

  test.each([
    ["a broadcast sum reads both and writes one", b.add(input(4, 5), input(5)), 20, 4 * (20 + 5 + 20)],
    ["a reduction works on its input", b.reduceSum(input(4, 5), [0]), 20, 4 * (20 + 5)],
    ["a slice reads what it takes", b.slice(input(9, 5), 0, 2, 4), 0, 4 * (10 + 10)],
    ["a reshape is free", b.reshape(input(4, 5), [20]), 0, 0],
  ])("%s", (_, t, elementwise, traffic) => {
    expect(cost(t)).toEqual({ products: 0, elementwise, traffic });
  });
});

test("executionOrder: from the last leaf, into the last input", () => {
  const x = input(2);
  const [a, c] = [b.neg(x), b.sqrt(x)];
  const d = b.add(a, c);
  const e = b.relu(a);
  const nodes = [a, c, d, e].flatMap(nodeOf);
  // e is the last leaf and needs a; d then finds a done.
  expect(executionOrder(nodes).map(({ op }) => op)).toEqual(["Neg", "Relu", "Sqrt", "Add"]);
  // Numbered the other way round, d is the last leaf, and of its inputs a comes last.
  expect(executionOrder([e, c, a, d].flatMap(nodeOf)).map(({ op }) => op)).toEqual(["Neg", "Sqrt", "Add", "Relu"]);
});

test("executionOrder runs every node of a gradient after its inputs", () => {
  const g = new Graph("gradient");
  const [x, w] = [g.input("x", "float32", [3, 3]), g.input("w", "float32", [3, 3])];
  gradients(b.reduceSum(b.softmax(b.matMul(b.relu(b.matMul(x, w)), w))), [w]);
  const order = executionOrder(g.nodes);
  expect(new Set(order)).toEqual(new Set(g.nodes));
  order.forEach((node, i) => {
    for (const producer of node.inputs.flatMap(nodeOf)) expect(order.indexOf(producer)).toBeLessThan(i);
  });
});

describe("memoryPeak", () => {
  const peak = (nodes: readonly Tensor[], ...outputs: Tensor[]) => memoryPeak(nodes.flatMap(nodeOf), outputs);

  test("a chain holds a node's input and output", () => {
    const a = b.neg(input(10));
    const c = b.concat([a, a], 0);
    const d = b.reduceSum(c);
    const found = peak([a, c, d], d);
    expect(found).toMatchObject({ bytes: 4 * (10 + 20), tensors: [c, a] });
    expect(found.node?.op).toBe("Concat");
  });

  test("inputs and outputs have memory of their own", () => {
    const a = b.neg(input(10));
    expect(peak([a], a)).toEqual({ bytes: 0, node: undefined, tensors: [] });
  });

  test("an activation is held until its last use", () => {
    const a = b.neg(input(10));
    const c = b.sqrt(a);
    const d = b.floor(c);
    const e = b.mul(d, a);
    // a, c and d at once; then e takes the buffer of c, which is free.
    expect(peak([a, c, d, e, b.neg(e)]).bytes).toBe(4 * 30);
  });

  test("Relu writes over an input that nobody else reads, Neg does not", () => {
    const chain = (f: (x: Tensor) => Tensor) => {
      const a = b.sqrt(input(10));
      const c = f(a);
      const d = b.reduceSum(c);
      return peak([a, c, d], d).bytes;
    };
    expect(chain(b.relu)).toBe(4 * 10);
    expect(chain(b.neg)).toBe(4 * 20);
  });

  test("a reshape shares memory and keeps it in use", () => {
    const a = b.neg(input(10));
    const c = b.reshape(a, [2, 5]);
    const d = b.concat([c, c, c], 0);
    const e = b.reduceSum(d);
    expect(peak([a, c, d, e], e).bytes).toBe(4 * (10 + 30));
  });

  test("a buffer that a later tensor of its shape will take is held meanwhile", () => {
    const during = (later: number) => {
      const a = b.neg(input(10));
      const c = b.reduceSum(a);
      const big = b.expand(c, [100]);
      const d = b.reduceSum(big);
      const e = b.expand(d, [later]);
      const f = b.reduceSum(e);
      return peak([a, c, big, d, e, f], f).bytes;
    };
    expect(during(10)).toBe(4 * (100 + 10 + 1));
    expect(during(11)).toBe(4 * (100 + 1));
  });
});
