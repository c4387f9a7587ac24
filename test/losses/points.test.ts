import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { assignObjects } from "../../src/losses/assignment.js";
import {
  type BorderedMap,
  borderedLength,
  fillBordered,
  PointKernels,
  readBordered,
} from "../../src/losses/point-kernels.js";
import { pointCounts, sampleMask } from "../../src/losses/points.js";

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

/** Kernels with room for these arrays, and copies of them there. */
function placed(...arrays: Float32Array[]) {
  const kernels = new PointKernels(
    arrays.map(({ length }) => length),
    COUNT,
  );
  const copies = arrays.map((array) => {
    const copy = kernels.floats(array.length);
    copy.set(array);
    return copy;
  });
  return { kernels, copies };
}

const AREA = borderedLength({ width: WIDTH, height: HEIGHT });
const mapIn = (data: Float32Array): BorderedMap => ({ width: WIDTH, height: HEIGHT, data });

describe("bilinear samples", () => {
  test.each([COUNT, COUNT - 1, 1])("of a map equal the definition, borders included: %i points", (count) => {
    const { kernels, copies } = placed(new Float32Array(AREA), points, new Float32Array(count));
    const [data, places, found] = copies;
    fillBordered(mapIn(data), values);
    kernels.sample(mapIn(data), places, count, found);
    for (let i = 0; i < count; i++) {
      const expected = sampleByDefinition(values, WIDTH, HEIGHT, points[2 * i], points[2 * i + 1]);
      expect(found[i]).toBeCloseTo(expected, 5);
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
    const gradient = new RandomStream({ seed: 1, purpose: "gradient" }).fillNormal(new Float32Array(COUNT));
    const { kernels, copies } = placed(
      new Float32Array(AREA),
      new Float32Array(AREA),
      points,
      gradient,
      new Float32Array(COUNT),
    );
    const [data, target, places, along, sampled] = copies;
    fillBordered(mapIn(data), values);
    kernels.sample(mapIn(data), places, COUNT, sampled);
    kernels.scatter(mapIn(target), places, COUNT, along);
    const scattered = new Float32Array(WIDTH * HEIGHT);
    readBordered(mapIn(target), scattered);
    const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i], 0);
    expect(dot(sampled, gradient)).toBeCloseTo(dot(values, scattered), 4);
  });

  test("arrays elsewhere, and arrays that are too short, are refused", () => {
    const { kernels, copies } = placed(new Float32Array(AREA), points, new Float32Array(COUNT));
    const [data, places, out] = copies;
    expect(() => kernels.sample(mapIn(data), points, COUNT, out)).toThrow("of the kernels' memory");
    expect(() => kernels.sample(mapIn(data), places, COUNT + 1, out)).toThrow(`of ${2 * COUNT + 2} values`);
    expect(() => kernels.mostUncertain(out, places, 3, 4, out)).toThrow("at most 3");
  });
});

describe("the most uncertain points", () => {
  /** Numbers of the chosen ones: point i is (i, -i). */
  function chosen(logits: Float32Array, wanted: number): number[] {
    const numbered = Float32Array.from({ length: 2 * logits.length }, (_, i) => (i % 2 === 0 ? i / 2 : -(i - 1) / 2));
    const lengths = [logits.length, numbered.length, 2 * wanted, 4];
    const kernels = new PointKernels(lengths, logits.length);
    const [ofValues, places, out, behind] = lengths.map((length) => kernels.floats(length));
    ofValues.set(logits);
    places.set(numbered);
    kernels.mostUncertain(ofValues, places, logits.length, wanted, out);
    expect([...behind]).toEqual([0, 0, 0, 0]);
    expect(out.every((x, i) => i % 2 === 0 || x === -out[i - 1])).toBe(true);
    return [...out].filter((_, i) => i % 2 === 0);
  }
  const byDefinition = (logits: Float32Array, wanted: number) => {
    const order = (i: number) => (Number.isNaN(logits[i]) ? Number.POSITIVE_INFINITY : Math.abs(logits[i]));
    const sorted = Array.from(logits.keys()).sort((a, b) => (order(a) === order(b) ? a - b : order(a) - order(b)));
    return sorted.slice(0, wanted).sort((a, b) => a - b);
  };
  const normals = (std: number) =>
    new RandomStream({ seed: 2, purpose: "logits" }).fillNormal(new Float32Array(1000), std);

  test.each([1, 37, 500, 999, 1000])("%i of 1000 are those nearest to zero, whatever their sign", (wanted) => {
    for (const logits of [normals(4), normals(1e-3), normals(1e30)]) {
      expect(chosen(logits, wanted)).toEqual(byDefinition(logits, wanted));
    }
  });

  test("of equal ones the first are taken, and of nearly equal ones the nearer", () => {
    expect(chosen(new Float32Array(10).fill(3), 4)).toEqual([0, 1, 2, 3]);
    const few = normals(4).map((x) => Math.round(x)); // zeros of both signs among them
    const near = normals(1e-6).map((x) => 1 + x);
    for (const logits of [few, near]) {
      for (const wanted of [1, 100, 700]) expect(chosen(logits, wanted)).toEqual(byDefinition(logits, wanted));
    }
  });

  test("NaN and infinite ones come last", () => {
    const bad = Float32Array.of(Number.NaN, 1, Number.NEGATIVE_INFINITY, -2, Number.NaN, 0);
    expect(chosen(bad, 3)).toEqual([1, 3, 5]);
    expect(chosen(bad, 4)).toEqual([1, 2, 3, 5]);
    expect(chosen(bad, 5)).toEqual([0, 1, 2, 3, 5]);
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
