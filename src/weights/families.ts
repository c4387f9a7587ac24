/** @file How models are read off their tensors, by what they are to Hugging Face transformers. */

import { type FamilyName, familyOf } from "../families/families.js";
import type { HuggingFaceClass } from "../families/family.js";
import type { FamilyReader } from "./family-reader.js";
import { mask2former } from "./mask2former.js";
import { maskformer } from "./maskformer.js";
import { oneFormer } from "./oneformer.js";

const READERS: { readonly [K in HuggingFaceClass]: FamilyReader } = {
  Mask2FormerForUniversalSegmentation: mask2former,
  MaskFormerForInstanceSegmentation: maskformer,
  OneFormerForUniversalSegmentation: oneFormer,
};

export const readerOf = (family: FamilyName): FamilyReader =>
  READERS[familyOf({ family }).names.huggingface.architecture];
