import { describe, expect, test } from "vitest";
import { learningRateFactor, linearRamp, type Schedule } from "../../src/train/schedule.js";

const STEPS = 1000;
const schedule = (kind: Schedule["kind"], warmup = 0): Schedule => ({
  kind,
  warmup,
  polyPower: 0.9,
  milestones: [0.889, 0.963],
  gamma: 0.1,
});
const factor = (kind: Schedule["kind"], step: number, warmup = 0) =>
  learningRateFactor(schedule(kind, warmup), step, STEPS);

describe("learning rate", () => {
  test.each([
    ["constant", 0, 1],
    ["constant", 999, 1],
    ["poly", 0, 1],
    ["poly", 500, 0.535887], // 0.5^0.9
    ["poly", 900, 0.125893], // 0.1^0.9
    ["poly", 999, 0.001995],
    ["multistep", 888, 1],
    ["multistep", 889, 0.1],
    ["multistep", 962, 0.1],
    ["multistep", 963, 0.01],
    ["cosine", 0, 1],
    ["cosine", 250, 0.853553], // (1 + sqrt(1/2)) / 2
    ["cosine", 500, 0.5],
    ["cosine", 750, 0.146447],
  ] as const)("%s at step %i of 1000 is %f", (kind, step, expected) => {
    expect(factor(kind, step)).toBeCloseTo(expected, 6);
  });

  test("warms up linearly, first above 0 and last at the whole rate, and multiplies what follows", () => {
    expect([0, 4, 9, 10, 11].map((step) => factor("constant", step, 0.01))).toEqual([0.1, 0.5, 1, 1, 1]);
    expect(factor("poly", 4, 0.01)).toBeCloseTo(0.5 * 0.996 ** 0.9, 12);
    expect(factor("cosine", 500, 0.01)).toBeCloseTo(0.5, 12);
    expect(learningRateFactor(schedule("constant", 0.01), 0, 20)).toBe(1); // 0.2 steps of warm-up are none
  });
});

test("tau starts at its start, ends at its end and is half-way between half-way", () => {
  expect(linearRamp(0.996, 1, 0, STEPS)).toBe(0.996);
  expect(linearRamp(0.996, 1, STEPS - 1, STEPS)).toBe(1);
  expect(linearRamp(0.9, 1, 50, 101)).toBeCloseTo(0.95, 12);
  expect(linearRamp(0.996, 1, 0, 1)).toBe(1);
});
