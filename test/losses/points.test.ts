import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { assignObjects } from "../../src/losses/assignment.js";
import {
  borderedMap,
  fillBordered,
  mostUncertain,
  pointCounts,
  readBordered,
  sampleBordered,
  sampleMask,
  scatterBordered,
  selectionScratch,
} from "../../src/losses/points.js";

/** grid_sample by definition: neighbours outside count as zero. */
function sampleByDefinition(data: ArrayLike<number>, width: number, height: number, u: number, v: number): number {
  const [x, y] = [u * width - 0.5, v * height - 0.5];
  let sum = 0;
  for (const row of [Math.floor(y), Math.floor(y) + 1]) {
    for (const column of [Math.floor(x), Math.floor(x) + 1]) {
      const inside = row >= 0 && row < height && column >= 0 && column < width;
      if (inside) sum += data[row * width + column] * (1 - Math.abs(x - column)) * (1 - Math.abs(y - row));
    }
  }
  return sum;
}

const [WIDTH, HEIGHT, COUNT] = [7, 5, 200];
const points = new RandomStream({ seed: 1, purpose: "points" }).fillUniform(new Float32Array(2 * COUNT));
points.set([0, 0, 0.9999999, 0.9999999, 0, 0.9999999]);
const values = new RandomStream({ seed: 1, purpose: "values" }).fillNormal(new Float32Array(WIDTH * HEIGHT));

describe("bilinear samples", () => {
  test("of a map equal the definition, borders included", () => {
    const map = borderedMap(WIDTH, HEIGHT);
    fillBordered(map, values);
    const found = new Float32Array(COUNT + 1);
    sampleBordered(map, points, COUNT, found, 1);
    for (let i = 0; i < COUNT; i++) {
      const expected = sampleByDefinition(values, WIDTH, HEIGHT, points[2 * i], points[2 * i + 1]);
      expect(found[i + 1]).toBeCloseTo(expected, 5);
    }
  });

  test("of a mask equal the definition, at any step", () => {
    const data = Uint8Array.from(values, (value) => Number(value > 0));
    const found = new Float32Array(3 * COUNT);
    sampleMask({ width: WIDTH, height: HEIGHT, data }, points, COUNT, found, 2, 3);
    for (let i = 0; i < COUNT; i++) {
      const expected = sampleByDefinition(data, WIDTH, HEIGHT, points[2 * i], points[2 * i + 1]);
      expect(found[2 + 3 * i]).toBeCloseTo(expected, 5);
    }
  });

  test("scattering is the transpose of sampling: <sample(map), g> = <map, scatter(g)>", () => {
    const map = borderedMap(WIDTH, HEIGHT);
    fillBordered(map, values);
    const sampled = new Float32Array(COUNT);
    sampleBordered(map, points, COUNT, sampled);
    const gradient = new RandomStream({ seed: 1, purpose: "gradient" }).fillNormal(new Float32Array(COUNT));
    const target = borderedMap(WIDTH, HEIGHT);
    scatterBordered(target, points, COUNT, gradient);
    const scattered = new Float32Array(WIDTH * HEIGHT);
    readBordered(target, scattered);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    expect(dot(sampled, gradient)).toBeCloseTo(dot(values, scattered), 4);
  });
});

describe("the most uncertain points", () => {
  const scratch = selectionScratch();
  const byDefinition = (logits: Float32Array, wanted: number) =>
    Array.from(logits.keys())
      .sort((a, b) => Math.abs(logits[a]) - Math.abs(logits[b]) || a - b)
      .slice(0, wanted);

  test.each([1, 37, 500, 1000])("%i of 1000 are those nearest to zero, whatever their sign", (wanted) => {
    const logits = new RandomStream({ seed: 2, purpose: "logits" }).fillNormal(new Float32Array(1000), 4);
    const found = Array.from(mostUncertain(logits, 1000, wanted, scratch)).sort((a, b) => a - b);
    expect(found).toEqual(byDefinition(logits, wanted).sort((a, b) => a - b));
  });

  test("of equal ones the first are taken", () => {
    expect(Array.from(mostUncertain(new Float32Array(10).fill(3), 10, 4, scratch))).toEqual([0, 1, 2, 3]);
  });

  test("the counts are those of the official recipes", () => {
    expect(pointCounts({ points: 12544, oversampling: 3, importance: 0.75 })).toEqual({
      candidates: 37632,
      uncertain: 9408,
      uniform: 3136,
    });
  });
});

describe("assignment", () => {
  const rows = (...costs: number[][]) => costs.map((row) => Float64Array.from(row));

  test("takes the pairs of least total cost, with more queries than objects and fewer", () => {
    expect(assignObjects(rows([4, 1], [2, 0], [3, 2]))).toEqual({ queries: [0, 1], objects: [1, 0] });
    expect(assignObjects(rows([9, 1, 5], [2, 1, 7]))).toEqual({ queries: [0, 1], objects: [1, 0] });
    expect(assignObjects([new Float64Array(0)])).toEqual({ queries: [], objects: [] });
  });

  test("equal costs give the same pairs every time", () => {
    const equal = () => rows([1, 1, 1], [1, 1, 1], [1, 1, 1]);
    expect(assignObjects(equal())).toEqual(assignObjects(equal()));
  });

  test.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %d", (bad) => {
    expect(() => assignObjects(rows([1, bad]))).toThrow(`a matching cost is ${bad}`);
  });
});
