import { expect, test } from "vitest";
import { mean, paired, standardError, withError } from "../../study/statistics.js";

test("mean and standard error of a sample worked out by hand", () => {
  expect(mean([35.2, 38.3, 36.5])).toBeCloseTo(36.6667, 4);
  // deviations -1.4667, 1.6333, -0.1667: squares 4.8467, over 2 and over 3
  expect(standardError([35.2, 38.3, 36.5])).toBeCloseTo(Math.sqrt(4.846667 / 2 / 3), 5);
  expect(standardError([1])).toBeNaN();
});

test("pairs leave out seeds that one arm lacks", () => {
  expect(paired([3, undefined, 5, 8], [1, 2, undefined, 4])).toEqual([2, 4]);
});

test("numbers for a table", () => {
  expect(withError([])).toBe("-");
  expect(withError([40.04])).toBe("40.0");
  expect(withError([1, 3], { signed: true })).toBe("+2.0 ±1.0");
  expect(withError([-1, -3], { signed: true })).toBe("-2.0 ±1.0");
  expect([-0.04, 0.04].map((value) => withError([value], { signed: true }))).toEqual(["0.0", "0.0"]);
});
