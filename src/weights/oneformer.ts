/** @file Reading OneFormers: the sizes of their parts by the shapes of their tensors. */

import { InputError } from "../core/errors.js";
import { TASK_LENGTH } from "../families/oneformer.js";
import type { FamilyReader } from "./family-reader.js";
import { mask2former } from "./mask2former.js";
import { type PredictorSizes, predictorSizes } from "./mask2former-sizes.js";
import type { Shapes } from "./shapes.js";

const classLinear = (i: number) => `sem_seg_head.predictor.class_transformer.decoder.layers.${i}.linear1.weight`;
const textLinear = (i: number) => `text_encoder.transformer.resblocks.${i}.mlp.c_fc.weight`;

export interface OneFormerSizes extends PredictorSizes {
  readonly classLayers: number;
}

/** @throws InputError when one of the names is missing, or the model is none that is built here */
export function oneformerSizes(shapes: Shapes): OneFormerSizes {
  const [, length] = shapes.of("task_mlp.layers.0.weight", 2);
  if (length !== TASK_LENGTH) {
    throw new InputError({ where: shapes.source, expected: `tasks of ${TASK_LENGTH} tokens`, found: String(length) });
  }
  return { ...predictorSizes(shapes, "query_embed"), classLayers: shapes.count(classLinear) };
}

/** Of the text branch; nothing where there is none, as in files for predictions. */
function textSizes(shapes: Shapes) {
  const layers = shapes.count(textLinear);
  if (layers === 0) return {};
  const [length, width] = shapes.of("text_encoder.positional_embedding", 2);
  return {
    textWidth: width,
    textLayers: layers,
    textTokens: length,
    promptContext: shapes.has("prompt_ctx.weight") ? shapes.of("prompt_ctx.weight", 2)[0] : 0,
  };
}

export const oneFormer: FamilyReader = {
  huggingfaceType: "oneformer",
  // The official code takes as many instances of an image as there are queries.
  defaults: { ...mask2former.defaults, topK: 150 },
  isWhole: mask2former.isWhole,
  decoders: (shapes, heads) => ({
    ...mask2former.decoders(shapes, heads),
    ...(shapes.has(classLinear(0)) && { classLayers: oneformerSizes(shapes).classLayers }),
    ...textSizes(shapes),
  }),
  answer: oneformerSizes,
};
