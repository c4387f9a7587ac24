import fc from "fast-check";
import { expect, test } from "vitest";
import { philox, RandomStream } from "../../src/core/random.js";

const stream = (key: Partial<ConstructorParameters<typeof RandomStream>[0]> = {}) =>
  new RandomStream({ seed: 1, purpose: "test", ...key });
const words = (random: RandomStream, n = 8) => Array.from({ length: n }, () => random.uint32());

/** Counter, key -> output, of kat_vectors in the Random123 distribution (Salmon et al., SC 2011). */
const KNOWN = [
  ["00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"],
  ["ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"],
  ["243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"],
] as const;

test.each(KNOWN)("Philox4x32-10 of counter %s and key %s is %s", (counter, key, expected) => {
  const parse = (text: string) => text.split(" ").map((word) => Number.parseInt(word, 16));
  const [c0, c1, c2, c3] = parse(counter);
  const [k0, k1] = parse(key);
  const out = new Uint32Array(4);
  philox(c0, c1, c2, c3, k0, k1, out);
  expect([...out]).toEqual(parse(expected));
});

test("a stream is a function of its key, and every part of the key matters", () => {
  const keys = [
    {},
    { seed: 2 },
    { seed: 1 + 2 ** 32 },
    { purpose: "other" },
    { step: 1 },
    { sample: 1 },
    { step: 1, sample: 1 },
    { step: 2 ** 32 - 1 },
  ];
  const drawn = keys.map((key) => words(stream(key)).join());
  expect(new Set(drawn).size).toBe(keys.length);
  expect(keys.map((key) => words(stream(key)).join())).toEqual(drawn);
  expect(words(stream(), 4)).not.toEqual(words(stream(), 8).slice(4));
});

test("uniform numbers lie in [low, high) and fill it evenly", () => {
  const random = stream();
  const counts = new Array<number>(10).fill(0);
  for (let i = 0; i < 10_000; i++) {
    const value = random.uniform(-2, 3);
    expect(value >= -2 && value < 3).toBe(true);
    counts[Math.floor((value + 2) * 2)]++;
  }
  expect(chiSquare(counts)).toBeLessThan(27.9); // 9 degrees of freedom, p = 0.001
});

/** Sum of (count - expected)^2 / expected against equal shares. */
function chiSquare(counts: readonly number[]): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

test("integers below n are unbiased, also where n does not divide 2^32", () => {
  const random = stream();
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 14_000; i++) counts[random.integer(7)]++;
  expect(chiSquare(counts)).toBeLessThan(22.5); // 6 degrees of freedom, p = 0.001

  // n = 3 * 2^30: the remainder of a word without rejection falls into the lowest third in half of all cases.
  const lowest = Array.from({ length: 3000 }, () => random.integer(3 * 2 ** 30)).filter((value) => value < 2 ** 30);
  expect(Math.abs(lowest.length / 3000 - 1 / 3)).toBeLessThan(0.03); // 3.5 deviations
  expect([1, 2 ** 32].map((n) => stream().integer(n))).toEqual([0, words(stream(), 1)[0]]);
});

test("a permutation holds every number once, and all orders are as likely", () => {
  fc.assert(
    fc.property(fc.nat(200), fc.nat(), (n, seed) => {
      const order = stream({ seed }).permutation(n);
      expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
    }),
    { numRuns: 50, seed: 5 },
  );
  const counts = new Map<string, number>();
  const random = stream();
  for (let i = 0; i < 6000; i++) {
    const order = random.permutation(3).join();
    counts.set(order, (counts.get(order) ?? 0) + 1);
  }
  expect(counts.size).toBe(6);
  expect(chiSquare([...counts.values()])).toBeLessThan(20.5); // 5 degrees of freedom, p = 0.001
});

test("normal numbers have the moments of N(0, std^2), and neighbours do not depend on each other", () => {
  const n = 100_000;
  const values = stream().fillNormal(new Float32Array(n), 0.5);
  const moment = (power: number) => values.reduce((sum, value) => sum + (value / 0.5) ** power, 0) / n;
  const deviations = (value: number, expected: number, variance: number) =>
    Math.abs(value - expected) / Math.sqrt(variance / n);
  // Variances of the sample moments of N(0, 1): 1, 2, 15, 96.
  expect(deviations(moment(1), 0, 1)).toBeLessThan(4);
  expect(deviations(moment(2), 1, 2)).toBeLessThan(4);
  expect(deviations(moment(3), 0, 15)).toBeLessThan(4);
  expect(deviations(moment(4), 3, 96)).toBeLessThan(4);
  let product = 0;
  for (let i = 1; i < n; i++) product += (values[i] * values[i - 1]) / 0.25 / n;
  expect(deviations(product, 0, 1)).toBeLessThan(4);
  expect(values.every(Number.isFinite)).toBe(true);
});

test("many uniform numbers at once lie in [0, 1), fill it evenly in pairs, and follow the key alone", () => {
  const fill = (purpose: string) =>
    new RandomStream({ seed: 5, purpose, step: 2, sample: 1 }).fillUniform(new Float32Array(20_000));
  const values = fill("points");
  expect(values.every((value) => value >= 0 && value < 1)).toBe(true);
  expect(values).toEqual(fill("points"));
  // Cells of a 5 x 5 grid, by pairs of neighbours: what points (x, y) are made of.
  const cells = new Array<number>(25).fill(0);
  for (let i = 0; i < values.length; i += 2) cells[Math.floor(values[i] * 5) * 5 + Math.floor(values[i + 1] * 5)]++;
  expect(chiSquare(cells)).toBeLessThan(51.2); // 24 degrees of freedom, p = 0.001
  const other = fill("candidates");
  const correlation = values.reduce((sum, value, i) => sum + (value - 0.5) * (other[i] - 0.5), 0) / values.length;
  expect(Math.abs(correlation) / (1 / 12 / Math.sqrt(values.length))).toBeLessThan(4);
});
