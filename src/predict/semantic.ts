/**
 * @file Semantic inference: class scores of every pixel, S[c] = sum over q of softmax(L)[q, c] sigmoid(X)[q], and their
 * argmax.
 */

import type { Size } from "../core/image.js";
import * as g from "../graph/build.js";
import { Graph } from "../graph/graph.js";
import type { SemanticMap } from "../masks/segmentation.js";
import type { Runtime } from "../runtime/contract.js";
import { maskProbability } from "./mask-probability.js";
import { copyPatch, TILE, type Tile, tilesAtOriginalSize, tilesOf } from "./mask-tiles.js";
import { classProbabilities, type ImageSizes, maskGrid, type NetworkOutput } from "./network-output.js";
import { createPool, type Pool } from "./pool.js";
import { type Band, bilinear, cut, matrixOf, type Stretch } from "./resampling.js";

/** Where class scores are made: at the original size, or at the network's and resized afterwards. */
export type ScoreOrder = "resize-masks" | "resize-scores";

/**
 * Class scores of a rectangle: [classes, TILE.outputs, TILE.outputs], of which `rows` and `columns` say what counts.
 */
export type TakeScores = (rows: Stretch, columns: Stretch, scores: Float32Array) => void;

export interface SemanticScorer {
  /** Hands out the scores of all pixels of the original image, tile by tile in any order. */
  run(output: NetworkOutput, sizes: ImageSizes, take: TakeScores): Promise<void>;
  dispose(): void;
}

function scoreGraph(queries: number, classes: number, resize: boolean): Graph {
  const { outputs, inputs } = TILE;
  const graph = new Graph("semantic scores");
  const patches = graph.input("patches", "float32", [queries, inputs, inputs]);
  const rows = graph.input("rows", "float32", [outputs, inputs]);
  const columns = graph.input("columns", "float32", [outputs, inputs]);
  const probabilities = graph.input("classes", "float32", [classes, queries]);
  const logits = g.matMul(rows, g.matMul(patches, columns, { transB: true }));
  const flat = g.matMul(probabilities, g.reshape(maskProbability(logits), [queries, outputs * outputs]));
  const scores = g.reshape(flat, [classes, outputs, outputs]);
  if (!resize) {
    graph.output("scores", scores);
    return graph;
  }
  const finalRows = graph.input("final-rows", "float32", [outputs, outputs]);
  const finalColumns = graph.input("final-columns", "float32", [outputs, outputs]);
  graph.output("scores", g.matMul(finalRows, g.matMul(scores, finalColumns, { transB: true })));
  return graph;
}

/**
 * A tile of the original image (`rows`, `columns`), and the tile of the network's input that its scores are resized
 * from.
 */
interface ScoreJob {
  readonly rows: Stretch;
  readonly columns: Stretch;
  readonly source: Tile;
  readonly final?: { readonly rows: Float32Array; readonly columns: Float32Array };
}

function jobsOf(sizes: ImageSizes, order: ScoreOrder): ScoreJob[] {
  if (order === "resize-masks") {
    return tilesAtOriginalSize(sizes).map((source) => ({ rows: source.rows, columns: source.columns, source }));
  }
  const grid = maskGrid(sizes);
  const axis = (side: keyof Size) => {
    const outer = bilinear(sizes.input[side], sizes.original[side]);
    const inner = bilinear(grid[side], sizes.padded[side]);
    return cut(outer, TILE.outputs, TILE.outputs).map((stretch) => ({
      stretch,
      matrix: matrixOf(outer, stretch, TILE.outputs, TILE.outputs).data,
      // The pixels of the input from the first that this stretch reads.
      band: sliceOf(inner, stretch.first, Math.min(TILE.outputs, sizes.padded[side] - stretch.first)),
    }));
  };
  const columns = axis("width");
  return axis("height").flatMap((row) =>
    columns.map((column) => ({
      rows: row.stretch,
      columns: column.stretch,
      source: tilesOf(row.band, column.band)[0],
      final: { rows: row.matrix, columns: column.matrix },
    })),
  );
}

/** Outputs start .. start + count of a band, as a band. */
function sliceOf({ from, width, first, weights }: Band, start: number, count: number): Band {
  const end = start + count;
  return {
    from,
    to: count,
    width,
    first: first.slice(start, end),
    weights: weights.slice(start * width, end * width),
  };
}

export async function createSemanticScorer(
  runtime: Runtime,
  { queries, classes }: Pick<NetworkOutput, "queries" | "classes">,
  order: ScoreOrder,
): Promise<SemanticScorer> {
  const pool: Pool = await createPool(runtime, scoreGraph(queries, classes, order === "resize-scores"));
  const patchSize = TILE.inputs ** 2;
  return {
    async run(output, sizes, take) {
      const grid = maskGrid(sizes);
      const byClass = transposed(classProbabilities(output), queries, classes + 1).subarray(0, classes * queries);
      await pool.run(
        jobsOf(sizes, order),
        ({ source, final }, inputs) => {
          for (let q = 0; q < queries; q++) {
            copyPatch(output.masks, grid, q, source, inputs.patches.subarray(q * patchSize, (q + 1) * patchSize));
          }
          inputs.rows.set(source.rowMatrix);
          inputs.columns.set(source.columnMatrix);
          inputs.classes.set(byClass);
          if (!final) return;
          inputs["final-rows"].set(final.rows);
          inputs["final-columns"].set(final.columns);
        },
        ({ rows, columns }, { scores }) => take(rows, columns, scores),
      );
    },
    dispose: () => pool.dispose(),
  };
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  return Float32Array.from(values, (_, i) => values[(i % rows) * columns + Math.floor(i / rows)]);
}

/**
 * The class of the highest score of each pixel, the first of equals. Holds the scores of a few tiles at a time only.
 */
export async function semanticMap(
  scorer: SemanticScorer,
  output: NetworkOutput,
  sizes: ImageSizes,
): Promise<SemanticMap> {
  const { width, height } = sizes.original;
  const labels = new Uint16Array(width * height);
  const side = TILE.outputs;
  const best = new Float32Array(side * side);
  const winner = new Uint16Array(side * side);
  await scorer.run(output, sizes, (rows, columns, scores) => {
    best.set(scores.subarray(0, side * side));
    winner.fill(0);
    for (let c = 1; c < output.classes; c++) {
      const plane = scores.subarray(c * side * side, (c + 1) * side * side);
      for (let i = 0; i < plane.length; i++) {
        if (plane[i] > best[i]) {
          best[i] = plane[i];
          winner[i] = c;
        }
      }
    }
    for (let y = 0; y < rows.count; y++) {
      const line = winner.subarray(y * side, y * side + columns.count);
      labels.set(line, (rows.start + y) * width + columns.start);
    }
  });
  return { width, height, labels };
}
