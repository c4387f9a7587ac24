/** @file The families by name, and models of any of them. */

import type { Family, ModelSizes } from "./family.js";
import { type Mask2FormerEncoder, type Mask2FormerOptions, mask2former } from "./mask2former.js";

/** What encoder and model of each family are built from. */
interface FamilyOptions {
  mask2former: { encoder: Mask2FormerEncoder; model: Mask2FormerOptions };
}

/** The name of a family of models, e.g. "mask2former". */
export type FamilyName = keyof FamilyOptions;

/** Backbone and pixel decoder of a model. */
export type EncoderArchitecture = {
  [K in FamilyName]: { readonly family: K } & FamilyOptions[K]["encoder"];
}[FamilyName];

/** A model without its weights: plain data, as checkpoints store it. */
export type Architecture = { [K in FamilyName]: { readonly family: K } & FamilyOptions[K]["model"] }[FamilyName];

const FAMILIES: { readonly [K in FamilyName]: Family<FamilyOptions[K]["encoder"], FamilyOptions[K]["model"]> } = {
  mask2former,
};

export const FAMILY_NAMES = Object.keys(FAMILIES) as [FamilyName, ...FamilyName[]];

export const isFamily = (name: unknown): name is FamilyName => FAMILY_NAMES.includes(name as FamilyName);

/** The family that an architecture names, to be asked about architectures that name it too. */
export function familyOf({ family }: { readonly family: FamilyName }): Family<EncoderArchitecture, Architecture> {
  return FAMILIES[family] as Family<EncoderArchitecture, Architecture>;
}

export const sizesOf = (model: Architecture): ModelSizes => familyOf(model).sizes(model);
