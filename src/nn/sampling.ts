/** @file Bilinear sampling of maps at arbitrary points, by gathering rows. */

import { floats } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/**
 * The two grid lines around each coordinate: index clamped to [0, last], weight zero where it lay outside. NaN, which
 * Max would pass on, compares as false: a diverged model gathers row 0 and its loss says NaN, where an index out of
 * bounds would end the run.
 */
export function corners(coordinate: Tensor, last: Tensor): { index: Tensor; weight: Tensor }[] {
  const low = g.floor(coordinate);
  const fraction = g.sub(coordinate, low);
  return [
    { line: low, weight: g.sub(1, fraction) },
    { line: g.add(low, 1), weight: fraction },
  ].map(({ line, weight }) => {
    const index = g.where(g.greater(line, 0), g.min(line, last), 0);
    return { index, weight: g.where(g.equal(index, line), weight, 0) };
  });
}

/**
 * Bilinear samples of maps [N,C,h,w] at points [N,P,2], (x, y) in [0,1]: [N,P,C], zero outside the maps
 * (grid_sample with align_corners false and padding zeros; the pixel coordinate is u * size - 0.5).
 */
export function samplePoints(maps: Tensor, points: Tensor): Tensor {
  const { graph } = maps;
  const [n, c, h, w] = maps.shape;
  const p = points.shape[1];
  const rows = g.reshape(g.transpose(g.reshape(maps, [n, c, h * w]), [0, 2, 1]), [n * h * w, c]);
  const imageStart = graph.constant(
    floats(
      [n, 1],
      Array.from({ length: n }, (_, i) => i * h * w),
    ),
  );
  const axis = (i: number, size: number) => {
    const coordinate = g.sub(g.mul(g.reshape(g.slice(points, 2, i, i + 1), [n, p]), size), 0.5);
    return corners(coordinate, graph.scalar(size - 1));
  };
  const columns = axis(0, w);
  const lines = axis(1, h);
  const taps = lines.flatMap((line) =>
    columns.map((column) => ({
      row: g.add(g.add(g.mul(line.index, w), column.index), imageStart),
      weight: g.mul(line.weight, column.weight),
    })),
  );
  const stacked = (tensors: readonly Tensor[]) =>
    g.concat(
      tensors.map((t) => g.reshape(t, [n * p, 1])),
      1,
    );
  const indices = g.cast(stacked(taps.map(({ row }) => row)), "int64");
  const weights = g.reshape(stacked(taps.map(({ weight }) => weight)), [n * p, 1, taps.length]);
  return g.reshape(g.matMul(weights, g.gather(rows, indices)), [n, p, c]);
}
