/** @file Edges of features: how much neighbouring cells of a map differ, drawn between them. */

import type { FeatureMap } from "../core/image.js";
import type { EdgeMap } from "../eval/boundary.js";
import type { ChannelScale } from "./ridge.js";

/**
 * Edges of a map as pixels of the network's input, `stride` of them along a cell: between two cells their root mean
 * square difference in deviations of each channel, where neither the pair before nor the one after in that direction
 * differs more.
 */
export function featureEdges(map: FeatureMap, scale: ChannelScale, stride: number): EdgeMap {
  const [width, height] = [map.width * stride, map.height * stride];
  const strength = new Float32Array(width * height);
  const draw = (x: number, y: number, value: number) => {
    const at = y * width + x;
    strength[at] = Math.max(strength[at], value);
  };
  const across = differences(map, scale, 1, 0);
  const down = differences(map, scale, 0, 1);
  for (let row = 0; row < map.height; row++) {
    for (let column = 0; column < map.width; column++) {
      const at = row * map.width + column;
      if (column < map.width - 1 && isPeak(across, at, 1, column, map.width - 1)) {
        for (let i = 0; i < stride; i++) draw((column + 1) * stride - 1, row * stride + i, across[at]);
      }
      if (row < map.height - 1 && isPeak(down, at, map.width, row, map.height - 1)) {
        for (let i = 0; i < stride; i++) draw(column * stride + i, (row + 1) * stride - 1, down[at]);
      }
    }
  }
  return { width, height, strength };
}

/** Of equal neighbours the first is the peak. `place` of `count` pairs in the direction of `step`. */
function isPeak(values: Float32Array, at: number, step: number, place: number, count: number): boolean {
  return (place === 0 || values[at] > values[at - step]) && (place === count - 1 || values[at] >= values[at + step]);
}

/** Difference of each cell and the one `dx`, `dy` further; 0 where there is none. */
function differences(
  { data, width, height, channels }: FeatureMap,
  { deviation }: ChannelScale,
  dx: number,
  dy: number,
): Float32Array {
  const squares = new Float64Array(width * height);
  for (let c = 0; c < channels; c++) {
    const plane = data.subarray(c * width * height, (c + 1) * width * height);
    const scale = 1 / deviation[c];
    for (let y = 0; y < height - dy; y++) {
      for (let x = 0; x < width - dx; x++) {
        const at = y * width + x;
        squares[at] += ((plane[at + dy * width + dx] - plane[at]) * scale) ** 2;
      }
    }
  }
  return Float32Array.from(squares, (sum) => Math.sqrt(sum / channels));
}
