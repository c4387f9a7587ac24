import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { floats } from "../../src/core/tensor-data.js";
import { Graph } from "../../src/graph/graph.js";
import { type Feed, interpret } from "../../src/graph/interpret.js";
import { asInputs, Parameters } from "../../src/nn/scope.js";
import { drawMask, maskGrid, maskStream, noiseStream, queryStream } from "../../src/pretrain/draws.js";
import { addNoise, maskTokens, OWN_PREFIX, tokenRows, tokensAt } from "../../src/pretrain/method.js";

const KEY = { seed: 3, step: 0, sample: 0 };

/** How many of the positions lie in each patch of the grid. */
function perPatch(positions: BigInt64Array, cells: number, patch: number): number[] {
  const side = cells / patch;
  const counts = new Array<number>(side * side).fill(0);
  for (const position of positions) {
    const [row, column] = [Math.floor(Number(position) / cells), Number(position) % cells];
    counts[Math.floor(row / patch) * side + Math.floor(column / patch)]++;
  }
  return counts;
}

describe("drawMask", () => {
  test("masks exactly round(ratio * patches) patches, each of them whole", () => {
    const grid = fc.record({
      side: fc.integer({ min: 2, max: 8 }),
      patch: fc.integer({ min: 1, max: 8 }),
      ratio: fc.double({ min: 0.01, max: 0.99, noNaN: true }),
      seed: fc.nat(),
    });
    fc.assert(
      fc.property(grid, ({ side, patch, ratio, seed }) => {
        const cells = side * patch;
        const grid = maskGrid(cells, patch, ratio);
        const patches = Math.round(ratio * side * side);
        expect(grid).toEqual({ cells, patch, patches, positions: cells ** 2, masked: patches * patch ** 2 });

        const positions = drawMask(maskStream({ ...KEY, seed }), grid);
        expect(positions).toEqual(new BigInt64Array(new Set(positions)).sort());
        const counts = perPatch(positions, cells, patch);
        expect(counts.filter((count) => count === patch * patch)).toHaveLength(patches);
        expect(counts.filter((count) => count === 0)).toHaveLength(side * side - patches);
      }),
      { numRuns: 100, seed: 7 },
    );
  });

  test("masks every patch as often as any other, anew for each sample and step", () => {
    const totals = new Array<number>(16).fill(0);
    const drawn = new Set<string>();
    for (let i = 0; i < 400; i++) {
      const positions = drawMask(maskStream({ seed: 3, step: Math.floor(i / 8), sample: i % 8 }), maskGrid(8, 2, 0.5));
      drawn.add(positions.join());
      perPatch(positions, 8, 2).forEach((count, patch) => {
        totals[patch] += count / 4;
      });
    }
    // Each patch is masked in half of 400 draws; the deviation is 10.
    for (const total of totals) expect(Math.abs(total - 200)).toBeLessThan(40);
    expect(drawn.size).toBeGreaterThan(390);
  });
});

test("masks, noise and queries of a sample are independent streams", () => {
  const first = [maskStream, noiseStream, queryStream].map((stream) => stream(KEY).uint32());
  expect(new Set(first).size).toBe(3);
  expect(noiseStream({ ...KEY, sample: 1 }).uint32()).not.toBe(noiseStream({ ...KEY, step: 1 }).uint32());
});

test("addNoise: each value of the noise fills a 4x4 block of its own channel", () => {
  const graph = new Graph("noise");
  const [n, c, h, w] = [2, 3, 2, 3];
  const images = graph.input("images", "float32", [n, c, 4 * h, 4 * w]);
  const noise = graph.input("noise", "float32", [n, c, h, w]);
  const pixels = Array.from({ length: n * c * h * w * 16 }, (_, i) => 100 * i);
  const draws = Array.from({ length: n * c * h * w }, (_, i) => i + 1);
  const feeds = new Map([
    ["images", floats(images.shape, pixels)],
    ["noise", floats(noise.shape, draws)],
  ]);
  const [{ data }] = interpret([addNoise(images, noise)], feeds);
  const expected = pixels.map((pixel, i) => {
    const [plane, y, x] = [Math.floor(i / (16 * h * w)), Math.floor(i / (4 * w)) % (4 * h), i % (4 * w)];
    return pixel + draws[plane * h * w + Math.floor(y / 4) * w + Math.floor(x / 4)];
  });
  expect([...data]).toEqual(expected);
});

test("the mask token replaces the masked positions of each image and nothing else", () => {
  const graph = new Graph("mask");
  const tokens = graph.input("tokens", "float32", [2, 4, 2]);
  const positions = graph.input("masked", "int64", [2, 2]);
  const parameters = new Parameters(asInputs(graph));
  const rows = tokenRows(positions, 4);
  const masked = maskTokens(parameters.root.at(OWN_PREFIX), tokens, rows);
  const feeds = new Map<string, Feed>([
    [
      "tokens",
      floats(
        [2, 4, 2],
        Array.from({ length: 16 }, (_, i) => i),
      ),
    ],
    ["masked", { dtype: "int64", shape: [2, 2], data: BigInt64Array.of(0n, 3n, 1n, 2n) }],
    ["mask_jepa.mask_token", floats([2], [-1, -2])],
  ]);
  const [all, chosen] = interpret([masked, tokensAt(tokens, rows)], feeds);
  expect([...all.data]).toEqual([-1, -2, 2, 3, 4, 5, -1, -2, 8, 9, -1, -2, -1, -2, 14, 15]);
  expect([...chosen.data]).toEqual([0, 1, 6, 7, 10, 11, 12, 13]);
});
