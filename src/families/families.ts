/** @file The families by name, and models of any of them. */

import type { Family, ModelSizes } from "./family.js";
import {
  type Mask2FormerEncoder,
  type Mask2FormerOptions,
  type Mask2FormerSettings,
  mask2former,
} from "./mask2former.js";
import { type MaskFormerEncoder, type MaskFormerOptions, type MaskFormerSettings, maskformer } from "./maskformer.js";
import { type MpFormerOptions, type MpFormerSettings, mpFormer } from "./mp-former.js";
import { type OneFormerOptions, type OneFormerSettings, oneFormer } from "./oneformer.js";
import type { CommonSettings, EncoderFrame, ModelFrame } from "./settings.js";

/** What each family is set by, and what its encoder and model are built from. */
interface FamilyTypes {
  mask2former: { settings: Mask2FormerSettings; encoder: Mask2FormerEncoder; model: Mask2FormerOptions };
  maskformer: { settings: MaskFormerSettings; encoder: MaskFormerEncoder; model: MaskFormerOptions };
  "mp-former": { settings: MpFormerSettings; encoder: Mask2FormerEncoder; model: MpFormerOptions };
  oneformer: { settings: OneFormerSettings; encoder: Mask2FormerEncoder; model: OneFormerOptions };
}

/** The name of a family of models, e.g. "mask2former". */
export type FamilyName = keyof FamilyTypes;

type Named<Part extends keyof FamilyTypes[FamilyName]> = {
  [K in FamilyName]: { readonly family: K } & FamilyTypes[K][Part];
}[FamilyName];

/** Settings of a model beside its backbone. */
export type DecoderSettings = Named<"settings">;

/** Backbone and pixel decoder of a model. */
export type EncoderArchitecture = Named<"encoder">;

/** A model without its weights: plain data, as checkpoints store it. */
export type Architecture = Named<"model">;

const FAMILIES: {
  readonly [K in FamilyName]: Family<FamilyTypes[K]["settings"], FamilyTypes[K]["encoder"], FamilyTypes[K]["model"]>;
} = {
  mask2former,
  maskformer,
  "mp-former": mpFormer,
  oneformer: oneFormer,
};

export const FAMILY_NAMES = Object.keys(FAMILIES) as [FamilyName, ...FamilyName[]];

export const isFamily = (name: unknown): name is FamilyName => FAMILY_NAMES.includes(name as FamilyName);

/** The family that something names, to be asked about settings and architectures that name it too. */
export function familyOf({
  family,
}: {
  readonly family: FamilyName;
}): Family<CommonSettings, EncoderArchitecture, Architecture> {
  return FAMILIES[family] as unknown as Family<CommonSettings, EncoderArchitecture, Architecture>;
}

/** Backbone and pixel decoder of these settings. */
export function encoderOf(settings: DecoderSettings, frame: EncoderFrame): EncoderArchitecture {
  return ofFamily(settings.family, familyOf(settings).settings.encoder(settings, frame));
}

/** The whole model of these settings. */
export function modelOf(settings: DecoderSettings, frame: ModelFrame): Architecture {
  return ofFamily(settings.family, familyOf(settings).settings.model(settings, frame));
}

/** What a family builds, with its name. */
export const ofFamily = <T extends { readonly family: FamilyName }>(family: FamilyName, built: Omit<T, "family">): T =>
  ({ family, ...built }) as T;

export const sizesOf = (model: Architecture): ModelSizes => familyOf(model).sizes(model);
