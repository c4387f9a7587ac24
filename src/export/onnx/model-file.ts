/** @file A whole ONNX model: the input, the network with its weights, and the forms of answer that are asked for. */

import type { Size } from "../../core/image.js";
import type { Task } from "../../masks/segmentation.js";
import { NodeBuilder } from "../../onnx/node-builder.js";
import type { Dim, OnnxDescription, OnnxModel, OnnxNode } from "../../onnx/protobuf.js";
import { MASK_STRIDE } from "../../predict/network-output.js";
import { halved } from "./half-weights.js";
import { cropped, type ImageInput, imageInput } from "./image-input.js";
import { addNetwork, CLASS_LOGITS, MASK_LOGITS, type Network } from "./network.js";
import { addForm, type FileOutput, type OutputRules } from "./post-processing.js";

export interface ModelFileOptions {
  /** Version of the operator set. */
  readonly opset: number;
  /** The only size of images; undefined for any. */
  readonly size?: Size;
  /** Weights are stored as float16. */
  readonly half: boolean;
  /** Images are bytes that the model normalises. */
  readonly normalise: boolean;
  /** Forms of answer beside the network's outputs, and their rules. */
  readonly forms: ReadonlySet<Task>;
  readonly rules?: OutputRules;
  readonly description: OnnxDescription;
}

/** The model of a network. Throws ShapeError for one whose constants depend on the size in a way that is not known. */
export function modelFile(network: Network, options: ModelFileOptions): OnnxModel<Dim> {
  const { opset, half, forms, rules, description } = options;
  const builder = new NodeBuilder(opset);
  const image = imageInput(builder, options);
  const { initializers, outputs } = addNetwork(builder, network, image);
  const own = [...outputs].map(([name, { value, shape }]) => ownOutput(builder, image, name, value, shape));
  const inBuilder = (name: string) => outputs.get(name)?.value as string;
  const answers = rules
    ? [...forms].flatMap((form) =>
        addForm(form, { builder, image, rules, logits: inBuilder(CLASS_LOGITS), masks: inBuilder(MASK_LOGITS) }),
      )
    : [];
  const all = [...own, ...answers];
  const weights = half ? halved(initializers) : { initializers, nodes: [] };
  return {
    ...description,
    opset,
    nodes: [...weights.nodes, ...builder.nodes, ...all.map(named)],
    inputs: [image.value],
    outputs: all.map(({ declared }) => declared),
    initializers: [...weights.initializers, ...builder.literals.initializers],
  };
}

/** An output of the network [N, ..], maps as far as the images reach. */
function ownOutput(
  builder: NodeBuilder,
  image: ImageInput,
  name: string,
  value: string,
  [, ...lengths]: readonly number[],
): FileOutput {
  const isMap = lengths.length === 3;
  const sides: Dim[] = image.fixed ? lengths.slice(1) : ["map_height", "map_width"];
  const shape: Dim[] = ["batch", ...(isMap ? [lengths[0], ...sides] : lengths)];
  return {
    declared: { name, dtype: "float32", shape },
    value: isMap ? cropped(builder, value, image, MASK_STRIDE) : value,
  };
}

const named = ({ declared, value }: FileOutput): OnnxNode => ({
  opType: "Identity",
  inputs: [value],
  outputs: [declared.name],
});
