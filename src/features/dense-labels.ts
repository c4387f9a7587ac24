/** @file From scores of a coarse grid to a label for each pixel: bilinear interpolation, then the best class. */

import type { Size } from "../core/image.js";
import type { SemanticMap } from "../masks/segmentation.js";
import { cellAxis } from "./cell-axis.js";
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

/** First pixel of each run of equal cells, and the end. */
function runsOf(cell: Int32Array): number[] {
  const starts = [0];
  for (let i = 1; i < cell.length; i++) if (cell[i] !== cell[i - 1]) starts.push(i);
  return [...starts, cell.length];
}

/**
 * The best class of each pixel of an image of the size `of`, scores interpolated with half-pixel centres. Where the
 * four cells around agree on the best class it is the best of every pixel between them, and nothing is interpolated.
 */
export function denseLabels(grid: ScoreGrid, place: PlacedImage, of: Size): SemanticMap {
  const { width, height } = of;
  const { columns, first, stride } = grid;
  const labels = new Uint16Array(width * height);
  const [vertical, horizontal] = [cellAxis(height, place.height, stride), cellAxis(width, place.width, stride)];
  const across = place.paddedWidth / stride;
  const best = bestOfCells(grid, across, vertical.cells, horizontal.cells);
  const square = new Square(grid);
  const [rows, runs] = [runsOf(vertical.cell), runsOf(horizontal.cell)];
  const toBelow = vertical.cells > 1 ? across : 0;
  const toRight = horizontal.cells > 1 ? 1 : 0;
  for (let r = 0; r + 1 < rows.length; r++) {
    for (let c = 0; c + 1 < runs.length; c++) {
      const corner = vertical.cell[rows[r]] * across + horizontal.cell[runs[c]];
      const one = best[corner];
      const agreed = [toRight, toBelow, toBelow + toRight].every((step) => best[corner + step] === one);
      if (!agreed)
        square.open([corner, corner + toRight, corner + toBelow, corner + toBelow + toRight], columns, first);
      for (let y = rows[r]; y < rows[r + 1]; y++) {
        const line = y * width;
        if (agreed) labels.fill(one, line + runs[c], line + runs[c + 1]);
        else square.label(labels, line, [runs[c], runs[c + 1]], vertical.weight[y], horizontal.weight);
      }
    }
  }
  return { width, height, labels };
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

  open(cells: readonly [number, number, number, number], columns: number, first: number): void {
    const { scores, classes } = this.grid;
    const [a, b, c, d] = cells.map((cell) => cell * columns + first);
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

  /** Labels the pixels `from` to `to` of the line that starts at `line`, `below` of the way to the lower cells. */
  label(
    labels: Uint16Array,
    line: number,
    [from, to]: readonly [number, number],
    below: number,
    weights: Float64Array,
  ): void {
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
      labels[line + x] = candidates[chosen];
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
