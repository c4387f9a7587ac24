/** @file What every feature picture starts from: one image's features on a grid, as plain numbers. */

import { InputError, ShapeError } from "../core/errors.js";
import type { Size } from "../core/image.js";

/** Features of one image, row-major [channels, height, width]. */
export interface FeatureMap extends Size {
  readonly data: Float32Array;
  readonly channels: number;
}

/** Number of grid positions. Throws ShapeError when the data do not fill the shape, InputError when they are not finite. */
export function positionsOf(where: string, { data, channels, height, width }: FeatureMap): number {
  const positions = height * width;
  if (positions < 1 || data.length !== channels * positions) {
    throw new ShapeError(where, `${channels} x ${height} x ${width} features`, `${data.length} numbers`);
  }
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    const found = `${data[bad]} in channel ${Math.floor(bad / positions)}`;
    throw new InputError({ where, expected: "finite features", found, fix: "The weights have probably diverged." });
  }
  return positions;
}
