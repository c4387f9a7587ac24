/** @file MSDeformAttnPixelDecoder of Mask2Former: a deformable encoder over strides 32, 16, 8 and one FPN step to 4. */

import type { Grid } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";
import { type Dropout, NO_DROPOUT } from "../nn/dropout.js";
import { caffe2Xavier, normal, xavierUniform, zeros } from "../nn/init.js";
import { conv2d, feedForward, groupNorm, layerNorm, resizeBilinear, toMap, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { deformableAttention } from "./deformable-attention.js";
import { pyramidLevel } from "./feature-pyramid.js";
import { sinePositions } from "./position-embedding.js";
import type { Pyramid } from "./pyramid.js";

export interface PixelDecoderOptions {
  hiddenDim: number;
  /** Width of the mask features; default hiddenDim. */
  maskDim?: number;
  heads: number;
  points: number;
  layers: number;
  feedForwardDim: number;
  /** Groups of the group normalisations. */
  normGroups: number;
  recomputeLayers?: boolean;
  recomputeRows?: boolean;
  /** Of deformable attention (`DeformableOptions.rowBytes`), for graphs without a gradient. */
  rowBytes?: number;
}

export interface PixelDecoderOutput {
  /** What the transformer decoder attends to: Mask2Former's maps at strides 32, 16, 8, [N, C, H/s, W/s]. */
  multiScale: readonly Tensor[];
  /** F_last, stride 4: [N, C, H/4, W/4]. */
  maskFeatures: Tensor;
}

const gridOf = (map: Tensor): Grid => [map.shape[2], map.shape[3]];

/** Parameters under sem_seg_head.pixel_decoder. */
export function pixelDecoder(
  p: Scope,
  [res2, ...rest]: Pyramid,
  options: PixelDecoderOptions,
  dropout = NO_DROPOUT,
): PixelDecoderOutput {
  const { hiddenDim, layers, normGroups, recomputeLayers } = options;
  const { graph } = res2;
  const inputs = [...rest].reverse();
  const levels = inputs.map(gridOf);
  const projected = inputs.map((map, l) => {
    const scope = p.in("input_proj", l);
    const convolved = conv2d(scope.in(0), map, hiddenDim, { kernel: 1, init: xavierUniform, bias: zeros });
    return groupNorm(scope.in(1), convolved, normGroups);
  });
  const levelEmbed = p.in("transformer").parameter("level_embed", [levels.length, hiddenDim], normal());
  const positions = g.concat(
    levels.map((grid, l) => g.add(graph.constant(sinePositions(grid, hiddenDim)), g.slice(levelEmbed, 0, l, l + 1))),
    0,
  );
  const references = cellCentres(graph, levels);
  let tokens = g.concat(projected.map(toTokens), 1);
  for (let i = 0; i < layers; i++) {
    const input = tokens;
    const scope = p.in("transformer", "encoder", "layers", i);
    const frame = { positions, references, levels, dropout: dropout.in("layer", i) };
    const layer = () => [encoderLayer(scope, input, frame, options)];
    [tokens] = recomputeLayers ? recompute(graph, layer) : layer();
  }
  const sizes = levels.map(([h, w]) => h * w);
  const multiScale = g.split(tokens, 1, sizes).map((t, l) => toMap(t, levels[l]));
  return {
    multiScale,
    maskFeatures: maskFeatures(p, res2, multiScale[2], options),
  };
}

/** Centre (x, y) of every cell of every level, the same on all levels: [1, S, levels, 2]. */
function cellCentres(graph: Graph, levels: readonly Grid[]): Tensor {
  const cells = levels.reduce((sum, [h, w]) => sum + h * w, 0);
  const data = new Float32Array(cells * levels.length * 2);
  let filled = 0;
  for (const [h, w] of levels) {
    for (let i = 0; i < h * w; i++) {
      const centre = [((i % w) + 0.5) / w, (Math.floor(i / w) + 0.5) / h];
      for (let level = 0; level < levels.length; level++, filled += 2) data.set(centre, filled);
    }
  }
  return graph.constant({ dtype: "float32", shape: [1, cells, levels.length, 2], data });
}

interface EncoderFrame {
  /** Sine and level embedding [S, C]. */
  positions: Tensor;
  references: Tensor;
  levels: readonly Grid[];
  dropout: Dropout;
}

/** Post-norm layer of the deformable encoder; x [N, S, C]. */
function encoderLayer(p: Scope, x: Tensor, frame: EncoderFrame, options: PixelDecoderOptions): Tensor {
  const { positions, references, levels, dropout } = frame;
  const { heads, points, recomputeRows, rowBytes, feedForwardDim } = options;
  const inputs = { query: g.add(x, positions), references, value: x };
  const attended = deformableAttention(p.in("self_attn"), inputs, { levels, heads, points, recomputeRows, rowBytes });
  const y = layerNorm(p.in("norm1"), g.add(x, dropout.apply(attended, "after attention")));
  const fed = dropout.apply(feedForward(p, y, feedForwardDim, dropout), "after feed-forward");
  return layerNorm(p.in("norm2"), g.add(y, fed));
}

/** FPN step from stride 8 to 4, then the 1x1 convolution that makes F_last. */
function maskFeatures(
  p: Scope,
  res2: Tensor,
  stride8: Tensor,
  { hiddenDim, maskDim = hiddenDim, normGroups }: PixelDecoderOptions,
): Tensor {
  const map = pyramidLevel(p, 1, res2, resizeBilinear(stride8, gridOf(res2)), { width: hiddenDim, normGroups });
  return conv2d(p.in("mask_features"), map, maskDim, { kernel: 1, init: caffe2Xavier, bias: zeros });
}
