/** @file What is asked of features before they are pictured. */

import { InputError, ShapeError } from "../core/errors.js";
import type { FeatureMap, Size } from "../core/image.js";

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

/** Positions of a map that lie on the picture, not on its padding. */
export function cropFeatures({ data, channels, width, height }: FeatureMap, kept: Size): FeatureMap {
  const cropped = new Float32Array(channels * kept.height * kept.width);
  for (let c = 0; c < channels; c++) {
    for (let y = 0; y < kept.height; y++) {
      const from = (c * height + y) * width;
      cropped.set(data.subarray(from, from + kept.width), (c * kept.height + y) * kept.width);
    }
  }
  return { data: cropped, channels, ...kept };
}
