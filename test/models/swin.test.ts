import { describe, expect, test } from "vitest";
import { RandomStream } from "../../src/core/random.js";
import { floats, sizeOf } from "../../src/core/tensor-data.js";
import * as g from "../../src/graph/build.js";
import { gradients } from "../../src/graph/differentiate.js";
import { Graph, inputName, type Tensor } from "../../src/graph/graph.js";
import { type Feed, interpret } from "../../src/graph/interpret.js";
import { drawKeepFactors, dropPathRates } from "../../src/models/drop-path.js";
import { type SwinOptions, swin } from "../../src/models/swin.js";
import { relativePositions, windowRegions, windowTokens } from "../../src/models/swin-windows.js";
import { rowPicker } from "../../src/nn/pick-rows.js";
import { asInputs, initialValue, Parameters } from "../../src/nn/scope.js";

describe("windows", () => {
  test("row by row, padded at the bottom and on the right", () => {
    expect(windowTokens([2, 3], 2, 0)).toEqual([0, 1, 3, 4, 2, 6, 5, 6]);
  });

  test("shifted, the first row and column wrap to the end of the padded grid", () => {
    // 4 x 4, rolled by one: rows 1 2 3 0, columns 1 2 3 0.
    expect(windowTokens([4, 4], 2, 1)).toEqual([5, 6, 9, 10, 7, 4, 11, 8, 13, 14, 1, 2, 15, 12, 3, 0]);
    expect(windowRegions([4, 4], 2, 1)).toEqual([0, 0, 0, 0, 1, 2, 1, 2, 3, 3, 6, 6, 4, 5, 7, 8]);
  });

  test("every token lies in one window, whatever the size", () => {
    for (const grid of [
      [1, 1],
      [5, 9],
      [7, 7],
      [8, 13],
    ] as const) {
      for (const shift of [0, 3]) {
        const [height, width] = grid;
        const tokens = windowTokens(grid, 7, shift).filter((token) => token < height * width);
        expect(tokens.sort((a, b) => a - b)).toEqual(Array.from({ length: height * width }, (_, i) => i));
      }
    }
  });

  test("relative positions count from the corner of the bias table", () => {
    const rows = relativePositions(7);
    expect([rows[0], rows[48], rows[48 * 49], Math.max(...rows)]).toEqual([84, 0, 168, 168]);
  });
});

describe("drop path", () => {
  test("rates rise linearly from 0 over the blocks", () => {
    expect(dropPathRates(12, 0.3)[1]).toBeCloseTo(0.0272727, 6);
    expect([dropPathRates(12, 0.3)[0], dropPathRates(12, 0.3)[11], dropPathRates(1, 0.3)[0]]).toEqual([0, 0.3, 0]);
  });

  test("a branch is left out as often as its rate says, and is scaled to keep its mean", () => {
    const factors = new Float32Array(6);
    const draws = Array.from({ length: 2000 }, (_, sample) => {
      drawKeepFactors({ seed: 1, step: 0, sample }, 0.5, factors);
      return Array.from(factors);
    });
    const share = (branch: number) => draws.filter((draw) => draw[branch] === 0).length / draws.length;
    const values = (branch: number) => [...new Set(draws.map((draw) => draw[branch]))].sort();
    expect([0, 1].map(share)).toEqual([0, 0]);
    expect(values(2)).toEqual([0, Math.fround(4 / 3)]);
    expect(values(5)).toEqual([0, 2]);
    for (const [branch, rate] of [
      [2, 0.25],
      [3, 0.25],
      [4, 0.5],
      [5, 0.5],
    ]) {
      expect(Math.abs(share(branch) - rate)).toBeLessThan(0.05); // 4 standard deviations
    }
    const bothOrNone = draws.filter((draw) => (draw[4] === 0) === (draw[5] === 0)).length / draws.length;
    expect(Math.abs(bothOrNone - 0.5)).toBeLessThan(0.05); // the two branches of a block are independent
  });
});

test("rows are picked, and their gradient is that of a gather", () => {
  const choice = {
    rows: 7,
    picks: [
      [3, 0, 5, 6],
      [1, 6, 5, 4],
    ],
    shared: 2,
  };
  const graph = new Graph("rows");
  const x = graph.input("x", "float32", [7, 2]);
  const weights = graph.input("w", "float32", [8, 2]);
  const indices = graph.constant({ dtype: "int64", shape: [8], data: BigInt64Array.from(choice.picks.flat(), BigInt) });
  const loss = (rows: Tensor) => g.reduceSum(g.mul(rows, weights));
  const picked = g.concat(rowPicker(graph, choice)(x), 0);
  const gathered = g.gather(x, indices);
  const outputs = [picked, gathered, ...[picked, gathered].flatMap((rows) => gradients(loss(rows), [x]))];
  const values = (size: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(i + 1));
  const found = interpret(
    outputs,
    new Map([
      ["x", floats([7, 2], values(14))],
      ["w", floats([8, 2], values(16))],
    ]),
  ).map(({ data }) => Array.from(data));
  expect(found[0]).toEqual(found[1]);
  for (const [i, value] of found[2].entries()) expect(value).toBeCloseTo(found[3][i], 12);
  expect(found[2].slice(4, 6)).toEqual([0, 0]); // row 2 was never picked
});

test.each([
  { rows: 3, picks: [[0, 1, 1]] },
  {
    rows: 3,
    picks: [
      [0, 2],
      [1, 2, 0],
    ],
    shared: 1,
  },
  { rows: 3, picks: [[0, 1, 2, 2]], shared: 2 },
])("a choice of rows whose gradient would be wrong is refused: %j", (choice) => {
  expect(() => rowPicker(new Graph("rows"), choice)).toThrow("expected");
});

const TINY: SwinOptions = { embedDim: 4, depths: [1, 1, 2, 1], heads: [1, 2, 2, 4], window: 2, dropPath: 0.5 };

/** The maps of images [n, 3, 18, 25], whose every grid is odd somewhere; one image in six is drawn by number. */
function mapsOf(images: readonly number[], keep?: readonly number[]): Float64Array[] {
  const graph = new Graph("swin");
  const input = graph.input("images", "float32", [images.length, 3, 18, 25]);
  const factors = keep && graph.input("keep", "float32", [images.length, 5, 2]);
  const parameters = new Parameters(asInputs(graph));
  const maps = swin(parameters.root, input, { ...TINY, keep: factors });
  const feeds = new Map<string, Feed>();
  for (const [name, declaration] of parameters.declarations) feeds.set(name, initialValue(declaration, 1));
  const drawn = images.flatMap((image) => {
    const one = new Float32Array(3 * 18 * 25);
    return Array.from(new RandomStream({ seed: image, purpose: "image" }).fillNormal(one));
  });
  feeds.set("images", floats(input.shape, drawn));
  if (keep) feeds.set("keep", floats([images.length, 5, 2], keep));
  expect(graph.inputs.map(inputName).sort()).toEqual([...feeds.keys()].sort());
  expect(maps.map(({ shape }) => shape)).toEqual(
    [
      [5, 7],
      [3, 4],
      [2, 2],
      [1, 1],
    ].map((size, s) => [images.length, 4 * 2 ** s, ...size]),
  );
  return interpret(maps, feeds).map(({ data }) => data);
}

/** The part of one image of n. */
const imageOf = (map: Float64Array, i: number, n: number) =>
  map.slice((i * map.length) / n, ((i + 1) * map.length) / n);

describe("a Swin Transformer on images of an odd size", () => {
  const alone = mapsOf([1]);
  const other = mapsOf([2]);

  test("computes each image of a batch as if it were alone", () => {
    mapsOf([1, 2]).forEach((map, s) => {
      for (const [i, expected] of [alone[s], other[s]].entries()) {
        const worst = Math.max(...imageOf(map, i, 2).map((v, k) => Math.abs(v - expected[k])));
        expect(worst).toBeLessThan(1e-12);
      }
    });
  });

  test("a factor of drop path reaches its own branch of its own image", () => {
    const ones = new Array<number>(20).fill(1);
    const whole = mapsOf([1, 2], ones);
    expect(whole.map((map) => Array.from(map))).toEqual(mapsOf([1, 2]).map((map) => Array.from(map)));
    const second = 10;
    for (const [block, stage] of [0, 1, 2, 2, 3].entries()) {
      for (const branch of [0, 1]) {
        const dropped = mapsOf(
          [1, 2],
          ones.map((v, i) => (i === second + 2 * block + branch ? 0 : v)),
        );
        const changed = dropped.map((map, s) =>
          [0, 1].map((i) => imageOf(map, i, 2).some((v, k) => v !== imageOf(whole[s], i, 2)[k])),
        );
        expect(changed).toEqual([0, 1, 2, 3].map((s) => [false, s >= stage]));
      }
    }
  });
});

test("Swin-T has the parameters of Mask2Former's", () => {
  const graph = new Graph("swin-t");
  const parameters = new Parameters(asInputs(graph));
  const options = { embedDim: 96, depths: [2, 2, 6, 2], heads: [3, 6, 12, 24], window: 7, dropPath: 0.3 };
  swin(parameters.root, graph.input("images", "float32", [1, 3, 32, 32]), options);
  const count = [...parameters.declarations.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  expect(count).toBe(27_520_698);
  expect(parameters.declarations.get("layers.2.blocks.5.attn.relative_position_bias_table")?.shape).toEqual([169, 12]);
});
