/** @file Hugging Face transformers: a folder with its configuration. */

import type { JsonObject } from "../checkpoint/checkpoint.js";
import { familyIn, layoutOf } from "../checkpoint/names/layouts.js";
import { type Shape, zeros } from "../core/tensor-data.js";
import { FAMILY_NAMES, type FamilyName, familyOf, isFamily } from "../families/families.js";
import type { HuggingFaceClass } from "../families/family.js";
import { derivedBuffers } from "./derived-buffers.js";
import { backboneConfig, modelConfig, preprocessorConfig, settingsText } from "./huggingface-config.js";
import { maskformerConfig, refuseEncoder } from "./huggingface-maskformer.js";
import { oneformerConfig } from "./huggingface-oneformer.js";
import type { ModelFacts } from "./model-facts.js";
import { type Adapted, PRETRAINING_ONLY, type Target, type Weights } from "./target.js";

/** How the configuration of a whole model is made, and what its class for images is called. */
interface Configured {
  readonly config: (shapes: ReadonlyMap<string, Shape>, source: string, facts: ModelFacts) => JsonObject;
  readonly processor: string;
  /** Throws InputError for parts that its class does not build. */
  readonly refuse?: (weights: Weights, source: string) => void;
}

const CONFIGURED: Readonly<Record<HuggingFaceClass, Configured>> = {
  Mask2FormerForUniversalSegmentation: { config: modelConfig, processor: "Mask2FormerImageProcessor" },
  MaskFormerForInstanceSegmentation: {
    config: maskformerConfig,
    processor: "MaskFormerImageProcessor",
    refuse: refuseEncoder,
  },
  OneFormerForUniversalSegmentation: { config: oneformerConfig, processor: "OneFormerImageProcessor" },
};

function familyAmong(weights: Weights): FamilyName | undefined {
  const layout = layoutOf(weights.keys());
  const family = layout && familyIn(layout);
  return isFamily(family) ? family : undefined;
}

const classOf = (weights: Weights): HuggingFaceClass =>
  familyOf({ family: familyAmong(weights) ?? FAMILY_NAMES[0] }).names.huggingface.architecture;

const isWhole = (weights: Weights) => [...weights.keys()].some((name) => name.startsWith("sem_seg_head."));

/** What its class for a family wants of a model of that family. */
function adapt(weights: Weights, source: string): Adapted {
  const family = familyAmong(weights);
  if (!family) return { weights };
  CONFIGURED[classOf(weights)].refuse?.(weights, source);
  const { trainingOnly = [], names } = familyOf({ family });
  const { zeros: wanted = [], keeps = [], remark } = names.huggingface;
  const isKept = (name: string) => keeps.includes(name) || !trainingOnly.some((pattern) => pattern.test(name));
  const kept = [...weights].filter(([name]) => isKept(name));
  const added = wanted.flatMap(({ name, like }) => {
    const shape = weights.get(like)?.shape;
    return shape ? [[name, zeros("float32", shape)] as const] : [];
  });
  return { weights: new Map([...kept, ...added]), ...(added.length > 0 && { remark }) };
}

export const huggingface: Target = {
  name: "huggingface",
  reads: ["safetensors", "torch"],
  software: "huggingface",
  fileNames: { torch: "pytorch_model.bin" }, // no other name is found in a folder
  dropped: PRETRAINING_ONLY,
  adapt,
  buffers: derivedBuffers,
  texts(weights, source, facts) {
    const shapes = new Map([...weights].map(([name, { shape }]) => [name, shape] as const));
    if (!isWhole(weights)) return new Map([["config.json", settingsText(backboneConfig(shapes, source, facts))]]);
    const { config: configOf, processor } = CONFIGURED[classOf(weights)];
    const config = configOf(shapes, source, facts);
    const classes = Object.keys(config.id2label as JsonObject).length;
    return new Map([
      ["config.json", settingsText(config)],
      ["preprocessor_config.json", settingsText(preprocessorConfig(processor, classes, facts))],
    ]);
  },
};
