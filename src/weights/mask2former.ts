/** @file Reading the models of the families with Mask2Former's decoders. */

import { InputError } from "../core/errors.js";
import type { FamilyReader } from "./family-reader.js";
import { hasPixelDecoder, hasPredictor, layerSizes, pixelDecoderSizes, predictorSizes } from "./mask2former-sizes.js";

export const mask2former: FamilyReader = {
  huggingfaceType: "mask2former",
  // Of the published models; sizes of images as for COCO, whose configurations leave them to detectron2.
  defaults: {
    task: "panoptic",
    heads: 8,
    normGroups: 32,
    dropPath: 0.3,
    shortEdge: 800,
    longEdge: 1333,
    window: 0,
    objectThreshold: 0.8,
    overlapThreshold: 0.8,
    topK: 100,
  },
  isWhole: hasPredictor,
  decoders(shapes, heads) {
    const pixelDecoder = hasPixelDecoder(shapes) ? pixelDecoderSizes(shapes) : undefined;
    const layers = layerSizes(shapes);
    if (pixelDecoder && pixelDecoder.headPoints % heads !== 0) {
      const expected = `heads that share ${pixelDecoder.headPoints} sampling points of a level out evenly`;
      const fix = "Put a config.json beside the weights, or correct the one that is there.";
      throw new InputError({ where: shapes.source, expected, found: `${heads} heads`, fix });
    }
    return {
      heads,
      ...(pixelDecoder && {
        hiddenDim: pixelDecoder.hiddenDim,
        maskDim: pixelDecoder.maskDim === pixelDecoder.hiddenDim ? null : pixelDecoder.maskDim,
        points: pixelDecoder.headPoints / heads,
        pixelDecoderLayers: pixelDecoder.layers,
        pixelDecoderFfn: pixelDecoder.feedForwardDim,
      }),
      ...(layers && { decoderLayers: layers.layers, decoderFfn: layers.feedForwardDim }),
    };
  },
  answer: (shapes) => predictorSizes(shapes),
};
