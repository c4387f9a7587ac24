/** @file Mask2Former (Cheng et al. 2022): backbone, pixel decoder, transformer decoder under the names of its checkpoints. */

import type { Tensor } from "../graph/graph.js";
import type { Scope } from "../nn/scope.js";
import { type BackboneOptions, backbone } from "./backbone.js";
import { type PixelDecoderOptions, pixelDecoder } from "./pixel-decoder.js";
import { type Prediction, type TransformerDecoderOptions, transformerDecoder } from "./transformer-decoder.js";

export interface Mask2FormerOptions {
  backbone: BackboneOptions;
  pixelDecoder: PixelDecoderOptions;
  transformerDecoder: TransformerDecoderOptions;
}

/** images [N,3,H,W], H and W divisible by 32 -> one prediction for each decoder layer and the one before them; the last is the output. */
export function mask2former(p: Scope, images: Tensor, options: Mask2FormerOptions): Prediction[] {
  const head = p.in("sem_seg_head");
  const pyramid = backbone(p.in("backbone"), images, options.backbone);
  const { multiScale, maskFeatures } = pixelDecoder(head.in("pixel_decoder"), pyramid, options.pixelDecoder);
  return transformerDecoder(head.in("predictor"), multiScale, maskFeatures, options.transformerDecoder);
}
