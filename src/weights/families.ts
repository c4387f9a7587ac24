/** @file The families whose models are read off their tensors: one row each. */

import type { FamilyName } from "../families/families.js";
import type { FamilyReader } from "./family-reader.js";
import { mask2former } from "./mask2former.js";
import { maskformer } from "./maskformer.js";

const READERS: { readonly [K in FamilyName]: FamilyReader } = { mask2former, maskformer, "mp-former": mask2former };

export const readerOf = (family: FamilyName): FamilyReader => READERS[family];
