/** @file ResNet with bottleneck blocks (He et al. 2015) as detectron2 builds it for Mask2Former: stride in the 3x3. */

import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { caffe2Msra } from "../nn/init.js";
import { type ConvNormMode, convNorm } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import type { Pyramid } from "./pyramid.js";

export interface ResNetSize {
  stemChannels: number;
  /** Blocks of res2, res3, res4, res5. */
  stageBlocks: readonly number[];
  /** Output channels of res2, res3, res4, res5; a bottleneck is a quarter as wide. */
  stageChannels: readonly number[];
}

export interface ResNetOptions extends ResNetSize {
  norm: ConvNormMode;
  /** Compute the activations of each block again for the gradient. */
  recomputeBlocks?: boolean;
}

const MSRA = { init: caffe2Msra };

/** images [N,3,H,W], H and W divisible by 32 -> res2..res5. */
export function resnet(p: Scope, images: Tensor, options: ResNetOptions): Pyramid {
  const { stemChannels, stageBlocks, stageChannels, norm, recomputeBlocks } = options;
  const stem = { ...MSRA, kernel: 7, stride: 2, padding: 3 };
  let x = g.relu(convNorm(p.in("stem", "conv1"), images, stemChannels, stem, norm));
  x = g.maxPool(x, { kernel: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
  const maps = stageBlocks.map((blocks, stage) => {
    for (let i = 0; i < blocks; i++) {
      const input = x;
      const stride = i === 0 && stage > 0 ? 2 : 1;
      const scope = p.in(`res${stage + 2}`, i);
      const block = () => [bottleneck(scope, input, stageChannels[stage], stride, norm)];
      [x] = recomputeBlocks ? recompute(images.graph, block) : block();
    }
    return x;
  });
  return maps as unknown as Pyramid;
}

function bottleneck(p: Scope, x: Tensor, out: number, stride: number, norm: ConvNormMode): Tensor {
  const width = out / 4;
  const first = g.relu(convNorm(p.in("conv1"), x, width, { ...MSRA, kernel: 1 }, norm));
  const second = g.relu(convNorm(p.in("conv2"), first, width, { ...MSRA, kernel: 3, stride, padding: 1 }, norm));
  const third = convNorm(p.in("conv3"), second, out, { ...MSRA, kernel: 1 }, norm);
  const project = stride !== 1 || x.shape[1] !== out;
  const shortcut = project ? convNorm(p.in("shortcut"), x, out, { ...MSRA, kernel: 1, stride }, norm) : x;
  return g.relu(g.add(third, shortcut));
}
