/** @file From scores of a coarse grid to a label for each pixel: bilinear interpolation, then the best class. */

import type { Size } from "../core/image.js";
import type { SemanticMap } from "../masks/segmentation.js";
import { type CellAxis, cellAxis } from "./cell-axis.js";
import type { PlacedImage } from "./label-cells.js";

/** Scores [positions, columns] of a map; those of one classifier are `classes` columns from `first` on. */
export interface ScoreGrid {
  readonly scores: Float32Array;
  readonly columns: number;
  readonly first: number;
  readonly classes: number;
  /** Pixels of the network's input along a cell. */
  readonly stride: number;
}

/** How the pixels of an image lie between the cells of a map: those between the same four cells are a block. */
interface Blocks {
  readonly vertical: CellAxis;
  readonly horizontal: CellAxis;
  /** First pixel of each row and column of blocks, and the end. */
  readonly rows: readonly number[];
  readonly columns: readonly number[];
  /** Cells in a row of the map, and from a cell of the image to the one right of it and to the one below it. */
  readonly across: number;
  readonly toRight: number;
  readonly toBelow: number;
}

function blocksOf(place: PlacedImage, { width, height }: Size, stride: number): Blocks {
  const [vertical, horizontal] = [cellAxis(height, place.height, stride), cellAxis(width, place.width, stride)];
  const across = place.paddedWidth / stride;
  return {
    vertical,
    horizontal,
    rows: runsOf(vertical.cell),
    columns: runsOf(horizontal.cell),
    across,
    toRight: horizontal.cells > 1 ? 1 : 0,
    toBelow: vertical.cells > 1 ? across : 0,
  };
}

/** First pixel of each run of equal cells, and the end. */
function runsOf(cell: Int32Array): number[] {
  const starts = [0];
  for (let i = 1; i < cell.length; i++) if (cell[i] !== cell[i - 1]) starts.push(i);
  return [...starts, cell.length];
}

/** Whoever is told of the labels of an image: of whole blocks, and of the pixels x0 to x1 of a line of a block. */
interface LabelTaker {
  block(label: number, row: number, column: number): void;
  /** `labels` [x1], good until the call returns. */
  line(labels: Uint16Array, y: number, x0: number, x1: number): void;
}

/**
 * The best class of each pixel of an image, scores interpolated with half-pixel centres. Where the four cells around
 * agree on the best class it is the best of every pixel between them, and nothing is interpolated.
 */
function eachLabel(grid: ScoreGrid, blocks: Blocks, taker: LabelTaker): void {
  const { vertical, horizontal, rows, columns, across, toRight, toBelow } = blocks;
  const best = bestOfCells(grid, across, vertical.cells, horizontal.cells);
  const square = new Square(grid);
  const labels = new Uint16Array(horizontal.cell.length);
  for (let r = 0; r + 1 < rows.length; r++) {
    for (let c = 0; c + 1 < columns.length; c++) {
      const cell = vertical.cell[rows[r]] * across + horizontal.cell[columns[c]];
      const one = best[cell];
      if (best[cell + toRight] === one && best[cell + toBelow] === one && best[cell + toBelow + toRight] === one) {
        taker.block(one, r, c);
        continue;
      }
      square.open(cell, toRight, toBelow);
      for (let y = rows[r]; y < rows[r + 1]; y++) {
        square.label(labels, columns[c], columns[c + 1], vertical.weight[y], horizontal.weight);
        taker.line(labels, y, columns[c], columns[c + 1]);
      }
    }
  }
}

/** The label of each pixel of an image of the size `of`. */
export function denseLabels(grid: ScoreGrid, place: PlacedImage, of: Size): SemanticMap {
  const { width, height } = of;
  const dense = new Uint16Array(width * height);
  const blocks = blocksOf(place, of, grid.stride);
  const { rows, columns } = blocks;
  eachLabel(grid, blocks, {
    block(label, row, column) {
      for (let y = rows[row]; y < rows[row + 1]; y++) {
        dense.fill(label, y * width + columns[column], y * width + columns[column + 1]);
      }
    },
    line(labels, y, x0, x1) {
      dense.set(labels.subarray(x0, x1), y * width + x0);
    },
  });
  return { width, height, labels: dense };
}

/**
 * The labels of an image, counted block by block for each stride, so that many classifiers are compared with them fast.
 */
export class CountedTruth {
  private readonly strides = new Map<number, { blocks: Blocks; counts: Uint32Array }>();

  constructor(
    private readonly truth: SemanticMap,
    private readonly place: PlacedImage,
    private readonly classes: number,
  ) {}

  /** Tells `count` how many pixels of which label the scores call what; a pair of labels may be told several times. */
  compare(grid: ScoreGrid, count: (label: number, predicted: number, pixels: number) => void): void {
    const { truth, classes } = this;
    const { blocks, counts } = this.counted(grid.stride);
    const found = new Uint32Array(classes * classes);
    const across = blocks.columns.length - 1;
    eachLabel(grid, blocks, {
      block(predicted, row, column) {
        const start = (row * across + column) * classes;
        for (let k = 0; k < classes; k++) found[k * classes + predicted] += counts[start + k];
      },
      line(labels, y, x0, x1) {
        for (let x = x0; x < x1; x++) {
          const label = truth.labels[y * truth.width + x];
          if (label < classes) found[label * classes + labels[x]]++;
        }
      },
    });
    found.forEach((pixels, i) => {
      if (pixels > 0) count(Math.floor(i / classes), i % classes, pixels);
    });
  }

  private counted(stride: number) {
    const known = this.strides.get(stride);
    if (known) return known;
    const { truth, place, classes } = this;
    const blocks = blocksOf(place, truth, stride);
    const { rows, columns } = blocks;
    const counts = new Uint32Array((rows.length - 1) * (columns.length - 1) * classes);
    for (let r = 0, start = 0; r + 1 < rows.length; r++) {
      for (let c = 0; c + 1 < columns.length; c++, start += classes) {
        for (let y = rows[r]; y < rows[r + 1]; y++) {
          for (let x = columns[c]; x < columns[c + 1]; x++) {
            const label = truth.labels[y * truth.width + x];
            if (label < classes) counts[start + label]++;
          }
        }
      }
    }
    const found = { blocks, counts };
    this.strides.set(stride, found);
    return found;
  }
}

/** Pixels between four cells, of which the best class is sought among those that may be the best of one. */
class Square {
  private readonly candidates: Uint16Array;
  private count = 0;
  /** Scores of the candidates in the cells: upper left, upper right, lower left, lower right. */
  private readonly corners: readonly Float32Array[];
  private readonly left: Float64Array;
  private readonly change: Float64Array;

  constructor(private readonly grid: ScoreGrid) {
    const { classes } = grid;
    this.candidates = new Uint16Array(classes);
    this.corners = Array.from({ length: 4 }, () => new Float32Array(classes));
    this.left = new Float64Array(classes);
    this.change = new Float64Array(classes);
  }

  /** `cell`: the upper left one. */
  open(cell: number, toRight: number, toBelow: number): void {
    const { scores, classes, columns, first } = this.grid;
    const a = cell * columns + first;
    const b = a + toRight * columns;
    const c = a + toBelow * columns;
    const d = b + toBelow * columns;
    // A class whose best corner is below the worst corner of another is never the best.
    let bar = Number.NEGATIVE_INFINITY;
    for (let k = 0; k < classes; k++) {
      bar = Math.max(bar, Math.min(scores[a + k], scores[b + k], scores[c + k], scores[d + k]));
    }
    this.count = 0;
    for (let k = 0; k < classes; k++) {
      if (Math.max(scores[a + k], scores[b + k], scores[c + k], scores[d + k]) < bar) continue;
      this.candidates[this.count] = k;
      this.corners[0][this.count] = scores[a + k];
      this.corners[1][this.count] = scores[b + k];
      this.corners[2][this.count] = scores[c + k];
      this.corners[3][this.count] = scores[d + k];
      this.count++;
    }
  }

  /** Labels the pixels `from` to `to` of a line, which lies `below` of the way to the lower cells. */
  label(labels: Uint16Array, from: number, to: number, below: number, weights: Float64Array): void {
    const { candidates, count, left, change } = this;
    const [a, b, c, d] = this.corners;
    for (let i = 0; i < count; i++) {
      left[i] = a[i] + below * (c[i] - a[i]);
      change[i] = b[i] + below * (d[i] - b[i]) - left[i];
    }
    for (let x = from; x < to; x++) {
      const weight = weights[x];
      let chosen = 0;
      let most = Number.NEGATIVE_INFINITY;
      for (let i = 0; i < count; i++) {
        const score = left[i] + weight * change[i];
        if (score > most) {
          most = score;
          chosen = i;
        }
      }
      labels[x] = candidates[chosen];
    }
  }
}

/** The best class of each cell of the image; `across` cells lie in a row of the map. */
function bestOfCells({ scores, columns, first, classes }: ScoreGrid, across: number, rows: number, cells: number) {
  const best = new Uint16Array(rows * across);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < cells; x++) {
      const from = (y * across + x) * columns + first;
      let label = 0;
      for (let k = 1; k < classes; k++) if (scores[from + k] > scores[from + label]) label = k;
      best[y * across + x] = label;
    }
  }
  return best;
}
