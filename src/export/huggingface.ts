/** @file Hugging Face transformers: a folder with its configuration. */

import type { JsonObject } from "../checkpoint/checkpoint.js";
import { derivedBuffers } from "./derived-buffers.js";
import { backboneConfig, modelConfig, preprocessorConfig, settingsText } from "./huggingface-config.js";
import { PRETRAINING_ONLY, type Target, type Weights } from "./target.js";

const isWhole = (weights: Weights) => [...weights.keys()].some((name) => name.startsWith("sem_seg_head."));

export const huggingface: Target = {
  name: "huggingface",
  reads: ["safetensors", "torch"],
  software: "huggingface",
  fileNames: { torch: "pytorch_model.bin" }, // no other name is found in a folder
  dropped: PRETRAINING_ONLY,
  buffers: derivedBuffers,
  texts(weights, source, facts) {
    const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape] as const));
    if (!isWhole(weights)) return new Map([["config.json", settingsText(backboneConfig(shapes, source, facts))]]);
    const config = modelConfig(shapes, source, facts);
    const classes = Object.keys(config.id2label as JsonObject).length;
    return new Map([
      ["config.json", settingsText(config)],
      ["preprocessor_config.json", settingsText(preprocessorConfig(classes, facts))],
    ]);
  },
};
