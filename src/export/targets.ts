/** @file The targets by name. */

import { canonical } from "./canonical.js";
import { detectron2 } from "./detectron2.js";
import { huggingface } from "./huggingface.js";
import type { Target, TargetName } from "./target.js";
import { timm } from "./timm.js";

const BY_NAME: Readonly<Record<TargetName, Target>> = { canonical, detectron2, huggingface, timm };

export const targetNamed = (name: TargetName): Target => BY_NAME[name];
