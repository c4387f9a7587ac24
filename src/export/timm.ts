/** @file timm: the backbone alone. */

import type { Target } from "./target.js";

export const timm: Target = {
  name: "timm",
  reads: ["safetensors", "torch"],
  software: "timm",
  // Its Swin Transformers have no place for the norms of the outputs.
  dropped: [/^(?!backbone\.)/, /^backbone\.norm\d\./],
};
