/** @file What is asked of features before they are pictured. */

import { InputError, ShapeError } from "../core/errors.js";
import type { FeatureMap } from "../core/image.js";

/**
 * Number of grid positions. Throws ShapeError when the data do not fill the shape, InputError when they are not finite.
 */
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
