import { expect, test } from "vitest";
import { compareTensors, reportDifferences } from "./tensor-comparison.js";

const reference = { name: "w", shape: [2, 3], values: [1, 2, -4, 3, 2, 1] };

test("the report names the tensor, the element that differs most and the first pairs", () => {
  const comparison = compareTensors([1, 2, -4, 3, 2.5, 1.25], reference);
  expect(comparison).toMatchObject({ index: [1, 1], maxDifference: 0.5, relative: 0.125 });
  expect(reportDifferences([comparison], 0.1)).toBe(
    "w [2,3]: differs by 5.00e-1 at [1,1], 1.25e-1 of its scale (allowed 0.1)\n" +
      "  expected / found: first 1 / 1, 2 / 2, -4 / -4, 3 / 3; worst 2 / 2.5",
  );
  expect(reportDifferences([comparison], 0.125)).toBe("");
});

test("a stride compares every k-th element and counts positions in the whole tensor", () => {
  const strided = { ...reference, values: [1, 3], stride: 3 };
  expect(compareTensors([1, 9, 9, 3, 9, 9], strided).maxDifference).toBe(0);
  expect(compareTensors([1, 9, 9, 4, 9, 9], strided).index).toEqual([1, 0]);
});

test("a value that is not finite, and a tensor of zeros that is not met, exceed every tolerance", () => {
  expect(compareTensors([1, Number.NaN, -4, 3, 2, 9], reference)).toMatchObject({ index: [0, 1], relative: Infinity });
  const zero = { name: "z", shape: [2], values: [0, 0] };
  expect(compareTensors([0, 0], zero).relative).toBe(0);
  expect(compareTensors([0, 1e-9], zero).relative).toBe(Infinity);
  expect(reportDifferences([compareTensors([0, Number.NaN], zero)], 1)).toContain("NaN at [1]");
});

test("slack of an element is taken off its difference, but never hides what is not a number", () => {
  const loose = { ...reference, slack: [0, 0, 0.5, 0, 0.25, 0] };
  expect(compareTensors([1, 2, -4.5, 3, 2.25, 1], loose).maxDifference).toBe(0);
  expect(compareTensors([1, 2, -4, 3, 2.5, 1], loose)).toMatchObject({ index: [1, 1], maxDifference: 0.25 });
  expect(compareTensors([1, 2.5, -4, 3, 2, 1], loose)).toMatchObject({ index: [0, 1], maxDifference: 0.5 });
  expect(compareTensors([1, 2, Number.NaN, 3, 2, 1], loose).relative).toBe(Infinity);
});

test("sizes that differ are refused", () => {
  expect(() => compareTensors([1, 2], reference)).toThrow("w: expected 6 values, every 1. of them stored, found 2");
});

test("64-bit integers are compared as numbers", () => {
  const counts = { name: "n", shape: [2], values: BigInt64Array.of(3n, 4n) };
  expect(compareTensors([3, 5], counts)).toMatchObject({ index: [1], maxDifference: 1 });
});
