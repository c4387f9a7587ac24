/** @file From the settings of the optimiser to what a trainer is given: which weights learn at which rate. */

import type { PartPrefixes } from "../families/family.js";
import type { OptimOptions, PartRate } from "../train/trainer.js";
import type { OptimSettings } from "./optim-settings.js";

/**
 * `prefixes`: what the names of each part's weights begin with; `predictor`: of what learns as the transformer decoder
 * does.
 */
export function optimOptions(
  settings: OptimSettings,
  prefixes: PartPrefixes,
  predictor: readonly string[] = [],
): OptimOptions {
  const { backboneLrFactor, pixelDecoderLrFactor, transformerDecoderLrFactor, ...optim } = settings;
  const decoders: PartRate[] = [
    { prefixes: prefixes["pixel-decoder"], factor: pixelDecoderLrFactor },
    { prefixes: [...prefixes["transformer-decoder"], ...predictor], factor: transformerDecoderLrFactor },
  ];
  // What learns at lr itself stays together: in which order gradients are summed depends on the groups.
  const own = decoders.filter(({ factor }) => factor !== 1);
  return { ...optim, rates: [{ prefixes: prefixes.backbone, factor: backboneLrFactor }, ...own] };
}
