import { describe, expect, test } from "vitest";
import { floats, type Shape } from "../../src/core/tensor-data.js";
import * as b from "../../src/graph/build.js";
import { gradients, recompute, withGradient } from "../../src/graph/differentiate.js";
import { Graph, type Tensor } from "../../src/graph/graph.js";
import { interpret } from "../../src/graph/interpret.js";
import { verify } from "../../src/graph/verify.js";

const wave = (shape: Shape, frequency: number) =>
  floats(
    shape,
    Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => Math.sin(frequency * (i + 1))),
  );

const FEEDS = new Map([
  ["x", wave([2, 3], 1.3)],
  ["w", wave([3, 3], 2.1)],
  ["v", wave([3, 3], 0.7)],
]);

/** Gradients of sum(f(x, w, v)^2) with respect to w and v, and the graph that holds them. */
function differentiate(f: (graph: Graph, x: Tensor, w: Tensor, v: Tensor) => Tensor) {
  const graph = new Graph("test");
  const [x, w, v] = [...FEEDS].map(([name, { dtype, shape }]) => graph.input(name, dtype, shape));
  const y = f(graph, x, w, v);
  const found = gradients(b.reduceSum(b.mul(y, y)), [w, v]);
  verify(graph);
  return { graph, values: interpret(found, FEEDS).map(({ data }) => [...data]) };
}

const count = (graph: Graph, phase: string) => graph.nodes.filter((node) => node.phase === phase).length;

/** softmax(x w) v + x w: the product is captured twice when it lies outside of a block. */
const block = (x: Tensor, w: Tensor, v: Tensor) => {
  const h = b.matMul(x, w);
  return b.add(b.matMul(b.softmax(h), v), h);
};

describe("recompute", () => {
  const plain = differentiate((_, x, w, v) => block(block(x, w, v), v, w)).values;

  test("gives the same gradients, bit for bit, and computes the block again", () => {
    const { graph, values } = differentiate((g, x, w, v) => {
      const [h] = recompute(g, () => [block(x, w, v)]);
      return recompute(g, () => [block(h, v, w)])[0];
    });
    expect(values).toEqual(plain);
    expect(count(graph, "recompute")).toBe(count(graph, "forward") - 2);
  });

  test("nests", () => {
    const { graph, values } = differentiate(
      (g, x, w, v) =>
        recompute(g, () => {
          const [h] = recompute(g, () => [block(x, w, v)]);
          return recompute(g, () => [block(h, v, w)]);
        })[0],
    );
    expect(values).toEqual(plain);
    // The inner blocks are computed once for the outer block and once for themselves.
    expect(count(graph, "recompute")).toBe(2 * (count(graph, "forward") - 2));
  });

  test("a nested block that is the whole outer block", () => {
    const { values } = differentiate((g, x, w, v) => {
      const [h] = recompute(g, () => recompute(g, () => [block(x, w, v)]));
      return block(h, v, w);
    });
    expect(values).toEqual(plain);
  });

  test("adds to the gradients of captured tensors that are also used outside", () => {
    const f = (wrap: typeof recompute) =>
      differentiate((g, x, w, v) => {
        const h = b.matMul(x, w);
        const [y] = wrap(g, () => [b.add(b.mul(h, h), b.matMul(h, v))]);
        return b.add(y, b.matMul(h, w));
      }).values.flat();
    // The terms of a sum arrive in another order.
    f((_, build) => build()).forEach((expected, i) => {
      expect(f(recompute)[i]).toBeCloseTo(expected, 12);
    });
  });

  test("several outputs, one unused, one captured tensor passed through", () => {
    const f = (wrap: typeof recompute) =>
      differentiate((g, x, w, v) => {
        const h = b.matMul(x, w);
        const [p, , passed] = wrap(g, () => [b.matMul(h, v), b.mul(h, 3), h]);
        return b.mul(p, passed);
      }).values;
    expect(f(recompute)).toEqual(f((_, build) => build()));
  });

  test("of a block without a parameter adds nothing to the graph", () => {
    const { graph } = differentiate((g, x, w, v) => {
      const [h] = recompute(g, () => [b.softmax(x)]);
      return block(h, w, v);
    });
    expect(count(graph, "recompute")).toBe(0);
  });
});

describe("withGradient", () => {
  test("its own gradient stands in for that of its nodes", () => {
    // A straight-through Floor: forward floor(10 w) / 10, backward the identity.
    const { values } = differentiate((g, _, w, v) => {
      const [rounded] = withGradient(
        g,
        () => [b.div(b.floor(b.mul(w, 10)), 10)],
        ([dy], into) => into.accumulate(w, dy!),
      );
      return b.add(rounded, v);
    });
    // d sum(y^2) / dw = 2 y = d sum(y^2) / dv
    expect(values[0]).toEqual(values[1]);
  });

  test("outputs that the loss does not use arrive as undefined; without any, backward is not called", () => {
    const seen: boolean[][] = [];
    differentiate((g, x, w, v) => {
      const build = () => [b.matMul(x, w), b.matMul(x, v)];
      const backward = (dys: readonly (Tensor | undefined)[]) => {
        seen.push(dys.map(Boolean));
      };
      withGradient(g, build, backward);
      const [, second] = withGradient(g, build, backward);
      return b.add(b.add(second, b.matMul(x, w)), b.matMul(x, v));
    });
    expect(seen).toEqual([[false, true]]);
  });

  test("refuses a gradient that arrives inside the region, where nobody would pass it on", () => {
    const leak = () =>
      differentiate((g, x, w, v) => {
        let inner = x;
        const build = () => {
          inner = b.matMul(x, w);
          return [b.matMul(inner, v)];
        };
        const [y] = recompute(g, build);
        return b.add(y, inner);
      });
    expect(leak).toThrow("region");
  });
});

describe("gradients", () => {
  const graph = () => new Graph("test");

  test("are summed over the axes along which a tensor was broadcast", () => {
    const g = graph();
    const x = g.input("x", "float32", [2, 1]);
    const y = g.input("y", "float32", [4, 1, 3]);
    const s = g.input("s", "float32", []);
    const found = gradients(b.reduceSum(b.mul(b.add(x, y), s)), [x, y, s]);
    expect(found.map((t) => t.shape)).toEqual([[2, 1], [4, 1, 3], []]);
    const feeds = new Map([
      ["x", floats([2, 1], [1, 2])],
      ["y", floats([4, 1, 3], new Array(12).fill(1))],
      ["s", floats([], [5])],
    ]);
    // Each x meets 12 y, each y both x; the sum over 24 sums is 12 * (1 + 2) + 24.
    const [dx, dy, ds] = interpret(found, feeds).map(({ data }) => [...data]);
    expect({ dx, dy, ds }).toEqual({ dx: [60, 60], dy: new Array(12).fill(10), ds: [60] });
  });

  test("add up over every use of a tensor", () => {
    const g = graph();
    const x = g.input("x", "float32", []);
    const [dx] = gradients(b.add(b.mul(x, x), b.mul(x, 3)), [x]);
    expect(interpret([dx], new Map([["x", floats([], [4])]]))[0].data).toEqual(Float64Array.of(11));
  });

  test("with respect to an inner tensor", () => {
    const g = graph();
    const x = g.input("x", "float32", []);
    const y = b.mul(x, 2);
    const [dy] = gradients(b.mul(y, y), [y]);
    expect(interpret([dy], new Map([["x", floats([], [4])]]))[0].data).toEqual(Float64Array.of(16));
  });

  test("leave alone what no parameter needs", () => {
    const g = graph();
    const x = g.input("x", "float32", [2, 3]);
    const w = g.input("w", "float32", [3, 3]);
    gradients(b.reduceSum(b.matMul(b.softmax(x), w)), [w]);
    const backward = g.nodes.filter((node) => node.phase === "backward").map((node) => node.op);
    expect(backward.filter((op) => op === "FusedMatMul")).toHaveLength(1);
  });

  test("refuse a loss that is no scalar", () => {
    const x = graph().input("x", "float32", [2]);
    expect(() => gradients(x, [x])).toThrow("expected a scalar loss, found shape [2]");
  });

  test("refuse a parameter on which the loss does not depend, by name", () => {
    const g = graph();
    const x = g.input("x", "float32", [2]);
    const unused = g.input("encoder.unused", "float32", [2]);
    expect(() => gradients(b.reduceSum(x), [x, unused])).toThrow("no path to encoder.unused");
  });

  test("refuse a parameter that acts through steps only", () => {
    const x = graph().input("x", "float32", [2]);
    expect(() => gradients(b.reduceSum(b.floor(x)), [x])).toThrow("differentiable path");
  });

  test("refuse to differentiate what stands only in gradients", () => {
    const g = graph();
    const y = g.input("y", "float32", [1, 1, 2, 2]);
    const w = g.input("w", "float32", [1, 1, 1, 1]);
    const x = b.convTranspose(y, w, { strides: [1, 1], pads: [0, 0, 0, 0], outputPadding: [0, 0] });
    expect(() => gradients(b.reduceSum(x), [w])).toThrow("ConvTranspose");
  });

  test("refuse to flow through the mean that LayerNormalization returns", () => {
    const g = graph();
    const x = g.input("x", "float32", [2, 3]);
    const [ones, zeros] = [g.input("ones", "float32", [3]), g.input("zeros", "float32", [3])];
    const [y, mean] = b.layerNormalization(x, ones, zeros, 1e-5);
    expect(() => gradients(b.reduceSum(b.add(y, mean)), [x])).toThrow("first output");
  });
});
