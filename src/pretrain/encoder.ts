/** @file The joint-embedding encoder: backbone and pixel decoder of the mask-classification architecture. */

import type { Tensor } from "../graph/graph.js";
import { type BackboneOptions, backbone, type Pyramid } from "../models/backbone.js";
import { type PixelDecoderOptions, type PixelDecoderOutput, pixelDecoder } from "../models/pixel-decoder.js";
import type { Scope } from "../nn/scope.js";

/** images [N,3,H,W] -> maps at strides 4, 8, 16, 32. */
export function backboneFeatures(p: Scope, images: Tensor, options: BackboneOptions): Pyramid {
  return backbone(p.in("backbone"), images, options);
}

/** Backbone maps -> F_i at strides 32, 16, 8 and F_last at stride 4. */
export function pixelFeatures(p: Scope, pyramid: Pyramid, options: PixelDecoderOptions): PixelDecoderOutput {
  return pixelDecoder(p.in("sem_seg_head", "pixel_decoder"), pyramid, options);
}

/** F_i1, the map at `stride` (8, 16 or 32). */
export function featuresAt(stride: number, { multiScale }: PixelDecoderOutput): Tensor {
  return multiScale[5 - Math.log2(stride)];
}
