import { describe, expect, test } from "vitest";
import type { Shape } from "../../src/core/tensor-data.js";
import { floats } from "../../src/core/tensor-data.js";
import * as b from "../../src/graph/build.js";
import { Graph, type Tensor } from "../../src/graph/graph.js";
import { type Feed, interpret } from "../../src/graph/interpret.js";
import { buildCase, CASES, feedsOf } from "./operator-cases.js";

const int64 = (shape: Shape, values: readonly number[]): Feed => ({
  dtype: "int64",
  shape,
  data: BigInt64Array.from(values, BigInt),
});

/** Runs `build` on graph inputs of the given values; each output as a plain array. */
function run(feeds: readonly Feed[], build: (...xs: Tensor[]) => Tensor | readonly Tensor[]): number[][] {
  const graph = new Graph("test");
  const xs = feeds.map(({ dtype, shape }, i) => graph.input(`x${i}`, dtype, shape));
  const outputs = [build(...xs)].flat() as Tensor[];
  return interpret(outputs, new Map(feeds.map((x, i) => [`x${i}`, x]))).map(({ data }) => [...data]);
}

const range = (n: number, from = 1) => Array.from({ length: n }, (_, i) => from + i);

describe("values worked out by hand", () => {
  test("broadcasting aligns trailing axes", () => {
    const [y] = run([floats([2, 1], [10, 20]), floats([3], [1, 2, 3])], b.add);
    expect(y).toEqual([11, 12, 13, 21, 22, 23]);
  });

  test("division of whole numbers truncates", () => {
    expect(run([int64([3], [7, -7, 8]), int64([], [2])], b.div)[0]).toEqual([3, -3, 4]);
  });

  test("Cast to int64 truncates toward zero; Floor rounds down", () => {
    const x = floats([3], [1.75, -1.75, -0.5]);
    expect(run([x], (t) => b.cast(t, "int64"))[0].map((v) => v + 0)).toEqual([1, -1, 0]);
    expect(run([x], b.floor)[0]).toEqual([1, -2, -1]);
  });

  test("erf has the values of tables; Gelu is x Phi(x)", () => {
    const x = floats([5], [0, 0.5, -1, 3, 10]);
    const expected = [0, 0.5204998778130465, -0.8427007929497149, 0.9999779095030014, 1]; // Abramowitz and Stegun, 7.1
    for (const [i, y] of run([x], b.erf)[0].entries()) expect(y).toBeCloseTo(expected[i], 14);
    const normal = floats([3], [1, -1, 10]);
    const phi = 0.8413447460685429;
    for (const [i, y] of run([normal], b.gelu)[0].entries()) expect(y).toBeCloseTo([phi, phi - 1, 10][i], 14);
  });

  test("comparisons feed Where", () => {
    const x = floats([3], [1, 2, 3]);
    expect(run([x], (t) => b.where(b.greater(t, 2), t, 0))[0]).toEqual([0, 0, 3]);
    expect(run([x], (t) => b.where(b.less(t, 2), t, 0))[0]).toEqual([1, 0, 0]);
    expect(run([x], (t) => b.where(b.equal(t, 2), t, 0))[0]).toEqual([0, 2, 0]);
  });

  test("ReduceSum and ReduceMean over a middle axis", () => {
    const x = floats([2, 2, 2], range(8));
    expect(run([x], (t) => b.reduceSum(t, [1]))[0]).toEqual([4, 6, 12, 14]);
    expect(run([x], (t) => b.reduceMean(t, [0, 2]))[0]).toEqual([3.5, 5.5]);
  });

  test("Softmax of logarithms of weights gives the weights, also after a large shift", () => {
    const x = [1, 2, 5].map((w) => Math.log(w / 8) + 800);
    const [y] = run([{ dtype: "float32", shape: [3], data: Float64Array.from(x) }], b.softmax);
    [0.125, 0.25, 0.625].forEach((p, i) => {
      expect(y[i]).toBeCloseTo(p, 12);
    });
  });

  test("LayerNormalization: y, mean, 1 / deviation", () => {
    // Mean 3, variance 4, so that with epsilon 0 the normalised values are -1, 1.
    const inputs = [floats([1, 2], [1, 5]), floats([2], [10, 100]), floats([2], [1, 2])];
    const [y, mean, inverse] = run(inputs, (x, s, t) => b.layerNormalization(x, s, t, 0));
    expect({ y, mean, inverse }).toEqual({ y: [-9, 102], mean: [3], inverse: [0.5] });
    const [, , withEpsilon] = run(inputs, (x, s, t) => b.layerNormalization(x, s, t, 12));
    expect(withEpsilon).toEqual([0.25]);
  });

  test("FusedMatMul with each flag", () => {
    const a = floats([2, 2], [1, 2, 3, 4]);
    const c = floats([2, 2], [5, 6, 7, 8]);
    expect(run([a, c], (x, y) => b.matMul(x, y))[0]).toEqual([19, 22, 43, 50]);
    expect(run([a, c], (x, y) => b.matMul(x, y, { transA: true }))[0]).toEqual([26, 30, 38, 44]);
    expect(run([a, c], (x, y) => b.matMul(x, y, { transB: true, alpha: 2 }))[0]).toEqual([34, 46, 78, 106]);
  });

  test("FusedMatMul broadcasts batches", () => {
    const a = floats([2, 1, 2], [1, 2, 3, 4]);
    expect(run([a, floats([2, 1], [10, 1])], (x, y) => b.matMul(x, y))[0]).toEqual([12, 34]);
  });

  test("Gemm adds its bias to every row", () => {
    const inputs = [floats([2, 1], [1, 2]), floats([1, 2], [3, 4]), floats([2], [10, 20])];
    expect(run(inputs, (x, y, z) => b.gemm(x, y, z))[0]).toEqual([13, 24, 16, 28]);
  });

  test("Conv is a correlation: 3x3 image, 2x2 weights", () => {
    const inputs = [floats([1, 1, 3, 3], range(9)), floats([1, 1, 2, 2], [1, 10, 100, 1000])];
    const plain = { strides: [1, 1], pads: [0, 0, 0, 0] } as const;
    expect(run(inputs, (x, w) => b.conv(x, w, plain))[0]).toEqual([5421, 6532, 8754, 9865]);
    const padded = { strides: [2, 2], pads: [1, 1, 0, 0] } as const;
    expect(run(inputs, (x, w) => b.conv(x, w, padded))[0]).toEqual([1000, 3200, 7040, 9865]);
  });

  test("Conv sums over input channels and keeps images apart", () => {
    const inputs = [floats([2, 2, 1, 1], [1, 2, 3, 4]), floats([2, 2, 1, 1], [1, 10, 100, 1000])];
    const plain = { strides: [1, 1], pads: [0, 0, 0, 0] } as const;
    expect(run(inputs, (x, w) => b.conv(x, w, plain))[0]).toEqual([21, 2100, 43, 4300]);
  });

  test("ConvTranspose writes the weights once an input pixel", () => {
    const inputs = [floats([1, 1, 1, 2], [1, 2]), floats([1, 1, 1, 3], [1, 10, 100])];
    const attributes = { strides: [1, 2], pads: [0, 0, 0, 0], outputPadding: [0, 1] } as const;
    expect(run(inputs, (y, w) => b.convTranspose(y, w, attributes))[0]).toEqual([1, 10, 102, 20, 200, 0]);
  });

  test("MaxPool: padding never wins", () => {
    const x = floats([1, 2, 2, 2], [-1, -2, -3, -4, 5, 5, 7, 6]);
    const attributes = { kernel: [2, 2], strides: [1, 1], pads: [1, 0, 0, 0] } as const;
    expect(run([x], (t) => b.maxPool(t, attributes))[0]).toEqual([-1, -1, 5, 7]);
  });

  test("layout operators", () => {
    const x = floats([2, 3], range(6));
    expect(run([x], (t) => b.transpose(t, [1, 0]))[0]).toEqual([1, 4, 2, 5, 3, 6]);
    expect(run([x], (t) => b.concat([t, t], 1))[0]).toEqual([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]);
    expect(run([x], (t) => b.slice(t, 1, 0, 3, 2))[0]).toEqual([1, 3, 4, 6]);
    expect(run([x], (t) => b.pad(t, [0, 1, 1, 0]))[0]).toEqual([0, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0]);
    expect(run([floats([2, 1], [1, 2])], (t) => b.expand(t, [2, 2, 2]))[0]).toEqual([1, 1, 2, 2, 1, 1, 2, 2]);
  });

  test("Gather along each axis; negative indices count from the end", () => {
    const inputs = [floats([2, 3], range(6)), int64([2], [-1, 0])];
    expect(run(inputs, (x, i) => b.gather(x, i, 0))[0]).toEqual([4, 5, 6, 1, 2, 3]);
    expect(run(inputs, (x, i) => b.gather(x, i, 1))[0]).toEqual([3, 1, 6, 4]);
  });

  test("ScatterND replaces, or adds with duplicates; tuples of indices address elements", () => {
    const data = floats([2, 2], [1, 2, 3, 4]);
    const rows = [data, int64([2, 1], [1, 1]), floats([2, 2], [10, 20, 30, 40])];
    expect(run(rows, (x, i, u) => b.scatterND(x, i, u, "add"))[0]).toEqual([1, 2, 43, 64]);
    const elements = [data, int64([2, 2], [0, 1, 1, 0]), floats([2], [7, 8])];
    expect(run(elements, (x, i, u) => b.scatterND(x, i, u, "none"))[0]).toEqual([1, 7, 8, 4]);
  });
});

test("ConvTranspose is the transpose of Conv: <conv(x), y> = <x, convTranspose(y)>", () => {
  const graph = new Graph("adjoint");
  const attributes = { strides: [2, 3], pads: [1, 0, 2, 1] } as const;
  const x = graph.input("x", "float32", [2, 3, 7, 8]);
  const w = graph.input("w", "float32", [4, 3, 3, 2]);
  const convolved = b.conv(x, w, attributes);
  const y = graph.input("y", "float32", convolved.shape);
  const back = b.convTranspose(y, w, { ...attributes, outputPadding: [1, 1] });
  expect(back.shape).toEqual(x.shape);
  const wave = (shape: Shape, frequency: number) =>
    floats(
      shape,
      range(shape.reduce((n, d) => n * d)).map((i) => Math.sin(frequency * i)),
    );
  const feeds = new Map([
    ["x", wave(x.shape, 1.3)],
    ["w", wave(w.shape, 2.1)],
    ["y", wave(y.shape, 0.7)],
  ]);
  const [left, right] = interpret([b.reduceSum(b.mul(convolved, y)), b.reduceSum(b.mul(x, back))], feeds);
  expect(Math.abs(left.data[0])).toBeGreaterThan(0.1);
  expect(left.data[0]).toBeCloseTo(right.data[0], 10);
});

test("every operator case has values of the inferred size and type", () => {
  for (const operatorCase of CASES) {
    const { ys } = buildCase(new Graph("case"), operatorCase);
    interpret(ys, feedsOf(operatorCase.inputs)).forEach(({ data, dtype }, i) => {
      expect(data.length, operatorCase.name).toBe(ys[i].shape.reduce((n, d) => n * d, 1));
      if (dtype === "bool") expect([...data].every((v) => v === 0 || v === 1)).toBe(true);
      if (dtype === "int64") expect([...data].every(Number.isInteger)).toBe(true);
    });
  }
});

describe("faults", () => {
  test("a feed that is missing, of another type or too short", () => {
    const x = new Graph("faulty").input("x", "float32", [2]);
    expect(() => interpret([x], new Map())).toThrow('input "x": expected float32[2], found nothing');
    expect(() => interpret([x], new Map([["x", floats([1, 2], [1, 2])]]))).toThrow("found float32[1,2]");
    const short: Feed = { dtype: "float32", shape: [2], data: Float32Array.of(1) };
    expect(() => interpret([x], new Map([["x", short]]))).toThrow("with 1 elements");
  });

  test("an index outside its axis", () => {
    expect(() => run([floats([2], [1, 2]), int64([1], [2])], (x, i) => b.gather(x, i))).toThrow(
      "Gather: expected indices within an axis of 2, found 2",
    );
  });
});
