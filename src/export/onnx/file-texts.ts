/** @file What a file says of its model, in its metadata and in the configurations beside it. */

import { IMAGENET_MEAN, IMAGENET_STD } from "../../core/colour-statistics.js";
import type { Size } from "../../core/image.js";
import { MULTIPLE } from "../../data/test-input.js";
import { manifest } from "../../io/manifest.js";
import type { Task } from "../../masks/segmentation.js";
import type { Dim, OnnxDescription, OnnxModel } from "../../onnx/protobuf.js";
import type { ModelDescription } from "../../weights/model-description.js";
import { labels, preprocessorConfig, settingsText } from "../huggingface-config.js";

export interface FileFacts {
  /** The family, as people write it. */
  readonly title: string;
  /** Of a model that predicts. */
  readonly description?: ModelDescription;
  /** The task that it is told. */
  readonly asked?: Task;
  /** The only size of images. */
  readonly size?: Size;
  readonly normalise: boolean;
  readonly half: boolean;
  /** Where the model comes from, for messages. */
  readonly source: string;
}

/** The class of transformers.js that any of these files runs as: it looks at the names of input and outputs alone. */
const RUNS_AS = { model_type: "maskformer", architectures: ["MaskFormerForInstanceSegmentation"] };
const PROCESSOR = "MaskFormerImageProcessor";

/** How images become the input. */
function preparation({ description, size, normalise }: FileFacts) {
  const edges = description && { shortEdge: description.inference.shortEdge, longEdge: description.inference.longEdge };
  return {
    colours: "RGB",
    mean: [...IMAGENET_MEAN],
    std: [...IMAGENET_STD],
    normalised_inside: normalise,
    padded_to_multiples_of: MULTIPLE,
    ...(size ? { height: size.height, width: size.width } : { ...edges }),
  };
}

/** All that is known of the model beside its weights. */
function ownFacts(facts: FileFacts) {
  const { title, description, asked } = facts;
  const { task, classes, inference } = description ?? {};
  const known = description && { task, ...(asked && { asked }), classes, inference };
  return { version: manifest().version, family: title, ...known, images: preparation(facts) };
}

/** For the file itself. */
export function fileDescription(facts: FileFacts): OnnxDescription {
  const { title, description } = facts;
  const entries = Object.entries(ownFacts(facts)).map(
    ([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)] as const,
  );
  return {
    producerVersion: manifest().version,
    text: description ? `${title} for ${description.task} segmentation` : `The encoder of a ${title}: images to F_last`,
    metadata: new Map(entries),
  };
}

/** `config.json` and `preprocessor_config.json`, with which transformers.js and the tools of Hugging Face load it. */
export function fileTexts(facts: FileFacts, { inputs, outputs }: OnnxModel<Dim>): ReadonlyMap<string, string> {
  const { description, size, normalise, half, source } = facts;
  const classes = description?.classes ?? [];
  const shapes = [...inputs, ...outputs].map(({ name, dtype, shape }) => [name, { dtype, shape: [...shape] }] as const);
  const config = {
    ...(description && RUNS_AS),
    ...(description && labels(classes.length, source, { classes: classes.map(({ name }) => name) })),
    "transformers.js_config": { dtype: half ? "fp16" : "fp32" },
    mask_jepa: { ...ownFacts(facts), values: Object.fromEntries(shapes) },
  };
  const { shortEdge, longEdge } = description?.inference ?? {};
  const preprocessor = {
    ...preprocessorConfig(PROCESSOR, classes.length, { shortEdge, longEdge }),
    ...(size && { size: { height: size.height, width: size.width } }),
    ...(normalise && { do_rescale: false, do_normalize: false }),
  };
  return new Map([
    ["config.json", settingsText(config)],
    ["preprocessor_config.json", settingsText(preprocessor)],
  ]);
}
