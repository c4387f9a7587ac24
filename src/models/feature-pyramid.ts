/**
 * @file One level of a feature pyramid (Lin et al. 2017) with group norms, as the pixel decoders of detectron2's style
 * have it.
 */

import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";
import { caffe2Xavier } from "../nn/init.js";
import { conv2d, groupNorm } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";

export interface PyramidOptions {
  /** Channels of every level. */
  readonly width: number;
  /** Groups of the group normalisations. */
  readonly normGroups: number;
}

/** Output convolution `layer_i`, 3x3 with norm and ReLU: x [N, C, h, w] -> [N, width, h, w]. */
export function outputLevel(p: Scope, i: number, x: Tensor, { width, normGroups }: PyramidOptions): Tensor {
  const scope = p.in(`layer_${i}`);
  const smoothed = conv2d(scope, x, width, { kernel: 3, padding: 1, init: caffe2Xavier });
  return g.relu(groupNorm(scope.in("norm"), smoothed, normGroups));
}

/**
 * Level i: the backbone's map [N, C, h, w] through the lateral convolution `adapter_i`, plus the coarser level, already
 * resized to [N, width, h, w], through `layer_i`.
 */
export function pyramidLevel(p: Scope, i: number, map: Tensor, coarser: Tensor, options: PyramidOptions): Tensor {
  const adapter = p.in(`adapter_${i}`);
  const lateral = conv2d(adapter, map, options.width, { kernel: 1, init: caffe2Xavier });
  const merged = g.add(groupNorm(adapter.in("norm"), lateral, options.normGroups), coarser);
  return outputLevel(p, i, merged, options);
}
