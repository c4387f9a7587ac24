/** @file What reading a model of a family off its tensors takes. */

import type { DecoderSettings } from "../families/families.js";
import type { Shapes } from "./shapes.js";
import type { Defaults } from "./statement.js";

export interface FamilyReader {
  /** `model_type` in Hugging Face's configurations. */
  readonly huggingfaceType: string;
  /** What is assumed where nobody says anything. */
  readonly defaults: Defaults;
  /** Whether the tensors are a whole model, which can predict. */
  isWhole(shapes: Shapes): boolean;
  /** Settings of the decoders that are there. @throws InputError for tensors that are none of the family's */
  decoders(shapes: Shapes, heads: number): Partial<DecoderSettings>;
  /** Sizes of the answer of a whole model. @throws InputError for tensors that are none of the family's */
  answer(shapes: Shapes): { readonly queries: number; readonly classes: number };
}
