import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { cellAxis } from "../../src/features/cell-axis.js";
import { CountedTruth, denseLabels } from "../../src/features/dense-labels.js";
import { labelCells } from "../../src/features/label-cells.js";
import { labelSums, PAIR_STEPS } from "../../src/features/label-sums.js";
import { purityScore } from "../../src/features/purity.js";
import { IGNORED, type SemanticMap } from "../../src/masks/segmentation.js";

const CLASSES = 3;

/** 29 x 22 pixels of an input of 32 x 32: the last cells lie on padding in part. */
const PLACE = { width: 29, height: 22, paddedWidth: 32, paddedHeight: 32 };

function randomLabels(width: number, height: number): SemanticMap {
  const random = new RandomStream({ seed: 4, purpose: "labels" });
  const labels = Uint16Array.from({ length: width * height }, () => {
    const label = random.integer(CLASSES + 1);
    return label === CLASSES ? IGNORED : label;
  });
  return { width, height, labels };
}

/** The cells around a pixel with their weights. */
function around({ width, height }: SemanticMap, stride: number, x: number, y: number) {
  const across = PLACE.paddedWidth / stride;
  const [rows, columns] = [cellAxis(height, PLACE.height, stride), cellAxis(width, PLACE.width, stride)];
  const steps = [0, 1].flatMap((down) => [0, 1].map((right) => ({ down, right })));
  return steps.flatMap(({ down, right }) => {
    const [v, u] = [rows.weight[y], columns.weight[x]];
    const weight = (down ? v : 1 - v) * (right ? u : 1 - u);
    return weight > 0 ? [{ cell: (rows.cell[y] + down) * across + columns.cell[x] + right, weight }] : [];
  });
}

describe.each([4, 8, 16, 32])("labels in cells of %i pixels", (stride) => {
  const truth = randomLabels(PLACE.width, PLACE.height);
  const across = PLACE.paddedWidth / stride;
  const cells = across * (PLACE.paddedHeight / stride);

  test("sums over pairs of cells are those over pixels with interpolated features", () => {
    const labels = new Float64Array(cells * CLASSES);
    const products = new Float64Array(cells * cells);
    truth.labels.forEach((label, i) => {
      if (label === IGNORED) return;
      const own = around(truth, stride, i % truth.width, Math.floor(i / truth.width));
      for (const a of own) {
        labels[a.cell * CLASSES + label] += a.weight;
        for (const b of own) products[a.cell * cells + b.cell] += a.weight * b.weight;
      }
    });
    const found = labelSums(truth, PLACE, stride, CLASSES);
    labels.forEach((value, i) => {
      expect(found.labels[i]).toBeCloseTo(value, 10);
    });
    const pairs = new Float64Array(cells * cells);
    for (const [i, [down, right]] of PAIR_STEPS.entries()) {
      for (let cell = 0; cell < cells; cell++) {
        const weight = found.pairs[i * cells + cell];
        if (weight === 0) continue;
        const other = cell + down * across + right;
        pairs[cell * cells + other] += weight;
        pairs[other * cells + cell] += weight;
      }
    }
    products.forEach((value, i) => {
      expect(pairs[i]).toBeCloseTo(value, 10);
    });
  });

  test("dense labels are the best class of interpolated scores, of every pixel of a larger label map", () => {
    const random = new RandomStream({ seed: stride, purpose: "scores" });
    const [columns, first] = [2 * CLASSES + 1, CLASSES];
    const scores = random.fillNormal(new Float32Array(cells * columns));
    const of = { width: 83, height: 61 };
    const grid = { scores, columns, first, classes: CLASSES, stride };
    const found = denseLabels(grid, PLACE, of);
    const blank = { ...of, labels: new Uint16Array(of.width * of.height) };
    const expected = blank.labels.map((_, i) => {
      const own = around(blank, stride, i % of.width, Math.floor(i / of.width));
      const values = [0, 1, 2].map((k) =>
        own.reduce((sum, { cell, weight }) => sum + weight * scores[cell * columns + first + k], 0),
      );
      return values.indexOf(Math.max(...values));
    });
    expect(found).toEqual({ ...of, labels: expected });

    const labelled = randomLabels(of.width, of.height);
    const counted = new Array<number>(CLASSES * CLASSES).fill(0);
    new CountedTruth(labelled, PLACE, CLASSES).compare(grid, (label, predicted, pixels) => {
      counted[label * CLASSES + predicted] += pixels;
    });
    const pairs = counted.map(
      (_, i) => expected.filter((predicted, p) => labelled.labels[p] * CLASSES + predicted === i).length,
    );
    expect(counted).toEqual(pairs);
  });

  test("each labelled pixel lies in one cell", () => {
    const counts = labelCells(randomLabels(83, 61), PLACE, stride, CLASSES);
    expect(counts.length).toBe(cells * CLASSES);
    const labelled = randomLabels(83, 61).labels.filter((label) => label !== IGNORED).length;
    expect(counts.reduce((a, b) => a + b, 0)).toBe(labelled);
  });
});

test("purity is the share of pixels that have the commonest class of their cluster, image by image", () => {
  const purity = purityScore();
  expect(purity.result()).toEqual({ purity: null, single: null });
  // Cluster 0: 3 of class 0 and 1 of class 1; cluster 1: 2 of class 1. One cluster: 3 of either class.
  purity.add([0, 0, 1], Float32Array.of(3, 0, 0, 1, 0, 2));
  expect(purity.result()).toEqual({ purity: 5 / 6, single: 3 / 6 });
  purity.add([1, 0], Float32Array.of(0, 4, 0, 0));
  expect(purity.result()).toEqual({ purity: 9 / 10, single: 7 / 10 });
});
