/** @file The parts of OneFormer as each golden case describes them. */

import { floats } from "../../src/core/tensor-data.js";
import { taskInput } from "../../src/families/oneformer.js";
import * as g from "../../src/graph/build.js";
import type { Graph } from "../../src/graph/graph.js";
import { TASKS, type Task } from "../../src/masks/segmentation.js";
import { taskQueries, taskToken } from "../../src/models/task-queries.js";
import { textEncoder, textRows } from "../../src/models/text-encoder.js";
import { textInputs, textValues } from "../../src/models/text-inputs.js";
import { clipVocabulary } from "../../src/models/text-tokens.js";
import { learnedPosition, transformerDecoder } from "../../src/models/transformer-decoder.js";
import { layerNorm } from "../../src/nn/layers.js";
import { asInputs, Parameters } from "../../src/nn/scope.js";
import type { GoldenCase } from "./case.js";
import { decoderOptionsOf, namedPredictions } from "./masked-decoder.js";
import type { Frame, Outputs } from "./models.js";

const VOCABULARY = await clipVocabulary();

/** "The task is panoptic" */
export const tasksOf = (golden: GoldenCase, name: string): Task[] =>
  golden.explicit<string[]>(name).map((text) => TASKS.find((task) => text.endsWith(task))!);

export function oneFormerDecoderOf({ graph, golden, input }: Frame): Outputs {
  const options = decoderOptionsOf(golden);
  const { root } = new Parameters(asInputs(graph));
  const scope = root.in("predictor");
  const tasks = tasksOf(golden, "task_strings");
  const numbers = graph.constant(floats([tasks.length, 77], taskInput(tasks)));
  const token = taskToken(root.in("task_mlp"), numbers, options.hiddenDim);
  const normed = golden.hyper.use_task_norm as boolean;
  const task = normed ? layerNorm(scope.in("decoder_norm"), token) : token;
  const positions = learnedPosition(scope, options);
  const maskFeatures = input("mask_features");
  const ofClasses = { ...options, layers: golden.setting("class_dec_layers") };
  const inputs = { task, begin: normed ? ("task" as const) : ("zeros" as const), positions, maskFeatures };
  const content = taskQueries(scope, inputs, ofClasses);
  const queries = () => ({ content, position: positions });
  const predictions = transformerDecoder(scope, ["x.0", "x.1", "x.2"].map(input), maskFeatures, options, queries);
  const [images, all, width] = content.shape;
  return {
    task_mlp_out: token,
    class_transformer_out: g.reshape(g.slice(content, 1, 0, all - 1), [1, images, all - 1, width]),
    contrastive_logits: content,
    ...namedPredictions(predictions),
  };
}

/** Texts of the case as constants of a graph. */
function textsIn(graph: Graph, texts: readonly (readonly string[])[], length: number) {
  const sizes = { images: texts.length, rows: texts[0].length, different: new Set(texts.flat()).size, length };
  const values = [...textValues(texts, sizes, VOCABULARY).values()];
  const [tokens, ends, chosen] = [...textInputs(sizes).values()].map(({ dtype, shape }, i) =>
    graph.constant({ dtype, shape, data: values[i] } as never),
  );
  return { texts: { tokens, ends }, chosen };
}

export function oneFormerTextOf({ graph, golden }: Frame): Outputs {
  const options = {
    width: golden.setting("width"),
    layers: golden.setting("num_layers"),
    length: golden.setting("context_length"),
    context: golden.setting("n_ctx"),
  };
  const { root } = new Parameters(asInputs(graph));
  const { texts, chosen } = textsIn(graph, golden.explicit<string[][]>("texts"), options.length);
  const [images, rows, different] = chosen.shape;
  const ofAll = g.reshape(chosen, [images * rows, different]);
  const [, dim] = golden.shapes.get("prompt_ctx.weight")!;
  return {
    text_encoder_out: g.matMul(ofAll, textEncoder(root.in("text_encoder"), texts, options)),
    texts: textRows(root, texts, chosen, dim, options),
  };
}
