/** @file This program's own names, those of Mask2Former's checkpoints. */

import { FORMS } from "./forms.js";
import type { Target } from "./target.js";

export const canonical: Target = { name: "canonical", reads: FORMS, dropped: [] };
