import { Matrix, QrDecomposition, SingularValueDecomposition } from "ml-matrix";
import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { channelScale, RidgeSums, ridge } from "../../src/features/ridge.js";

const [PIXELS, CHANNELS, CLASSES] = [300, 12, 4];
const LAMBDA = 1e-3;

/** Correlated features [PIXELS, CHANNELS] of very different scales and means, and a class for each pixel. */
function sample(seed: number) {
  const random = new RandomStream({ seed, purpose: "ridge" });
  const labels = Array.from({ length: PIXELS }, () => random.integer(CLASSES));
  const features = labels.map((label) => {
    const base = random.normal();
    return Array.from(
      { length: CHANNELS },
      (_, c) => 10 ** (c % 5) * (base + 0.3 * random.normal() + (label === c ? 2 : 5)),
    );
  });
  return { features, labels };
}

function sumsOf({ features, labels }: ReturnType<typeof sample>): RidgeSums {
  const sums = new RidgeSums(features[0].length, CLASSES);
  for (const [i, own] of features.entries()) {
    const x = [...own, 1];
    const gram = Float64Array.from({ length: x.length ** 2 }, (_, j) => x[Math.floor(j / x.length)] * x[j % x.length]);
    const cross = Float64Array.from({ length: x.length * CLASSES }, (_, j) =>
      labels[i] === j % CLASSES ? x[Math.floor(j / CLASSES)] : 0,
    );
    sums.add(gram, cross);
  }
  return sums;
}

/** Least squares over the stacked matrix of standardised features and the root of the ridge, as scores of the features. */
function stacked({ features, labels }: ReturnType<typeof sample>, solve: (a: Matrix, b: Matrix) => Matrix) {
  const count = features.length;
  const width = features[0].length;
  const columns = Array.from({ length: width }, (_, c) => features.map((own) => own[c]));
  const means = columns.map((column) => column.reduce((a, b) => a + b, 0) / count);
  const deviations = columns.map((column, c) =>
    Math.sqrt(column.reduce((sum, value) => sum + (value - means[c]) ** 2, 0) / count),
  );
  const z = features.map((own) => own.map((value, c) => (value - means[c]) / deviations[c]));
  const shares = Array.from({ length: CLASSES }, (_, k) => labels.filter((label) => label === k).length / count);
  const y = labels.map((label) => shares.map((share, k) => Number(label === k) - share));
  const root = Math.sqrt(LAMBDA * count);
  const identity = Array.from({ length: width }, (_, i) =>
    Array.from({ length: width }, (_, j) => (i === j ? root : 0)),
  );
  const a = new Matrix([...z, ...identity]);
  const b = new Matrix([...y, ...identity.map(() => shares.map(() => 0))]);
  const solved = solve(a, b);
  return z.map((own) => shares.map((share, k) => own.reduce((sum, value, c) => sum + value * solved.get(c, k), share)));
}

const scoresOf = ({ features }: ReturnType<typeof sample>, { weights, bias }: ReturnType<typeof ridge>) =>
  features.map((own) =>
    Array.from(bias, (b, k) => own.reduce((sum, value, c) => sum + value * weights[c * CLASSES + k], b)),
  );

describe("ridge regression out of sums", () => {
  test.each([
    { name: "QR", solve: (a: Matrix, b: Matrix) => new QrDecomposition(a).solve(b) },
    { name: "singular values", solve: (a: Matrix, b: Matrix) => new SingularValueDecomposition(a).solve(b) },
  ])("is the least-squares solution of the stacked matrix, by $name, to 1e-9", ({ solve }) => {
    const data = sample(1);
    const [found, expected] = [scoresOf(data, ridge(sumsOf(data), LAMBDA)), stacked(data, solve)];
    found.forEach((own, i) => {
      own.forEach((score, k) => {
        expect(score).toBeCloseTo(expected[i][k], 9);
      });
    });
  });

  test("a channel that does not vary counts for nothing, and its scale is infinite", () => {
    const data = sample(2);
    const more = { ...data, features: data.features.map((own) => [...own, 1e6]) };
    const sums = sumsOf(more);
    expect(channelScale(sums).deviation[CHANNELS]).toBe(Number.POSITIVE_INFINITY);
    const [with_, without] = [ridge(sums, LAMBDA), ridge(sumsOf(data), LAMBDA)];
    expect([...with_.weights.subarray(CHANNELS * CLASSES)]).toEqual([0, 0, 0, 0]);
    without.weights.forEach((value, i) => {
      expect(with_.weights[i]).toBeCloseTo(value, 9);
    });
  });

  test("sums that are not symmetric to the last bit are solved all the same", () => {
    const sums = sumsOf(sample(3));
    sums.gram[1] *= 1 + 1e-12;
    expect(ridge(sums, LAMBDA).weights.every(Number.isFinite)).toBe(true);
  });
});
