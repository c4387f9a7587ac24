/**
 * @file Mask logits at the original size, tile by tile: the tiles, and the graph that enlarges many of them at once.
 */

import type { Size } from "../core/image.js";
import * as g from "../graph/build.js";
import { Graph } from "../graph/graph.js";
import type { Runtime } from "../runtime/contract.js";
import { maskProbability } from "./mask-probability.js";
import { type ImageSizes, maskGrid, type NetworkOutput } from "./network-output.js";
import { createPool, type Pool } from "./pool.js";
import { type Band, bilinear, compose, cut, matrixOf, type Stretch } from "./resampling.js";

/** Sides of a tile in pixels of the output, and of the patch of mask logits that it is made from. */
export const TILE = { outputs: 64, inputs: 24 } as const;

/** A rectangle of the output, with the resampling matrices [outputs, inputs] that make its rows and columns. */
export interface Tile {
  readonly rows: Stretch;
  readonly columns: Stretch;
  readonly rowMatrix: Float32Array;
  readonly columnMatrix: Float32Array;
}

/** All tiles of a resampling, row by row. */
export function tilesOf(vertical: Band, horizontal: Band): Tile[] {
  const { outputs, inputs } = TILE;
  const matrices = (band: Band) =>
    cut(band, outputs, inputs).map((stretch) => ({ stretch, matrix: matrixOf(band, stretch, outputs, inputs).data }));
  const columns = matrices(horizontal);
  return matrices(vertical).flatMap((row) =>
    columns.map((column) => ({
      rows: row.stretch,
      columns: column.stretch,
      rowMatrix: row.matrix,
      columnMatrix: column.matrix,
    })),
  );
}

/** Mask logits -> padded input -> cropped -> original size, as one linear map (Mask2Former's maskformer_model.py). */
export function tilesAtOriginalSize(sizes: ImageSizes): Tile[] {
  const grid = maskGrid(sizes);
  const axis = (side: keyof Size) =>
    compose(bilinear(sizes.input[side], sizes.original[side]), bilinear(grid[side], sizes.padded[side]));
  return tilesOf(axis("height"), axis("width"));
}

/**
 * Copies the inputs of a tile out of one query's mask logits into `patch`; zeros beyond the edge. Returns the largest.
 */
export function copyPatch(
  masks: Float32Array,
  { width, height }: Size,
  query: number,
  { rows, columns }: Pick<Tile, "rows" | "columns">,
  patch: Float32Array,
): number {
  const side = TILE.inputs;
  const [tall, wide] = [Math.min(side, height - rows.first), Math.min(side, width - columns.first)];
  let largest = -Infinity;
  for (let y = 0; y < side; y++) {
    const from = (query * height + rows.first + y) * width + columns.first;
    for (let x = 0; x < side; x++) {
      const inside = y < tall && x < wide;
      const value = inside ? masks[from + x] : 0;
      patch[y * side + x] = value;
      if (inside && value > largest) largest = value;
    }
  }
  return largest;
}

/** One query's mask in one tile. */
export interface MaskJob {
  readonly query: number;
  readonly tile: Tile;
}

/** Reads a finished job: logits and their sigmoids [outputs, outputs], of which `tile` says how many count. */
export type TakeMask = (job: MaskJob, logits: Float32Array, probabilities: Float32Array) => void;

export interface MaskEnlarger {
  run(output: NetworkOutput, grid: Size, jobs: readonly MaskJob[], take: TakeMask): Promise<void>;
  dispose(): void;
}

/** Jobs of one run: enough to make a run worth its call, few enough for its buffers to stay in a core's cache. */
const BATCH = 16;

function enlargingGraph(): Graph {
  const { outputs, inputs } = TILE;
  const graph = new Graph("mask tiles");
  const patches = graph.input("patches", "float32", [BATCH, inputs, inputs]);
  const rows = graph.input("rows", "float32", [BATCH, outputs, inputs]);
  const columns = graph.input("columns", "float32", [BATCH, outputs, inputs]);
  const logits = g.matMul(rows, g.matMul(patches, columns, { transB: true }));
  graph.output("logits", logits);
  graph.output("probabilities", maskProbability(logits));
  return graph;
}

export async function createMaskEnlarger(runtime: Runtime): Promise<MaskEnlarger> {
  const pool: Pool = await createPool(runtime, enlargingGraph());
  const [patchSize, matrixSize, tileSize] = [TILE.inputs ** 2, TILE.outputs * TILE.inputs, TILE.outputs ** 2];
  return {
    async run({ masks }, grid, jobs, take) {
      const batches = Array.from({ length: Math.ceil(jobs.length / BATCH) }, (_, i) =>
        jobs.slice(i * BATCH, (i + 1) * BATCH),
      );
      await pool.run(
        batches,
        (batch, { patches, rows, columns }) => {
          batch.forEach(({ query, tile }, i) => {
            copyPatch(masks, grid, query, tile, patches.subarray(i * patchSize, (i + 1) * patchSize));
            rows.set(tile.rowMatrix, i * matrixSize);
            columns.set(tile.columnMatrix, i * matrixSize);
          });
        },
        (batch, { logits, probabilities }) => {
          batch.forEach((job, i) => {
            const part = (values: Float32Array) => values.subarray(i * tileSize, (i + 1) * tileSize);
            take(job, part(logits), part(probabilities));
          });
        },
      );
    },
    dispose: () => pool.dispose(),
  };
}
