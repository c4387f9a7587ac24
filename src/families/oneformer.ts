/**
 * @file OneFormer (Jain et al. 2023): a Mask2Former whose queries are told the task, trained on all tasks at once, with
 * texts of what an image shows as a further teacher. Panoptic labels say what each task asks for.
 */

import type { Conflict } from "../core/settings-conflicts.js";
import { belowOne, count, nonNegative, orNull, positive } from "../core/settings-fields.js";
import { floats, type TensorData } from "../core/tensor-data.js";
import type { Tensor } from "../graph/graph.js";
import { contrastiveLoss } from "../losses/contrastive.js";
import { TASKS, type Task } from "../masks/segmentation.js";
import type { Pyramid } from "../models/backbone.js";
import { type PixelDecoderOutput, pixelDecoder } from "../models/pixel-decoder.js";
import { taskQueries, taskToken } from "../models/task-queries.js";
import { headsOfText, logitScale, type TextEncoderOptions, textRows } from "../models/text-encoder.js";
import { textInputs, textRoom, textsAmong, textValues } from "../models/text-inputs.js";
import { clipVocabulary, endOf, tokensOf, VOCABULARY_SIZE } from "../models/text-tokens.js";
import { learnedPosition, transformerDecoder } from "../models/transformer-decoder.js";
import type { Dropout } from "../nn/dropout.js";
import { layerNorm } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { drawFactors, dropoutOf, droppedInputsOf, placeholderMaps } from "./dropout.js";
import type { Family } from "./family.js";
import { drawTasks, objectsFor, textsFor } from "./joint-tasks.js";
import {
  MASK2FORMER_FIELDS,
  MASK2FORMER_LEAST,
  MASK2FORMER_USUAL,
  type Mask2FormerEncoder,
  type Mask2FormerOptions,
  mask2former,
  mask2formerModel,
} from "./mask2former.js";
import {
  commonConflicts,
  type LeastNumbers,
  type ModelFrame,
  type Recipe,
  type TrainingSizes,
  type ValuesOf,
} from "./settings.js";
import type { MicroBatchShape, OwnInput, Training } from "./training.js";

export interface OneFormerOptions extends Mask2FormerOptions {
  readonly classTransformer: { readonly layers: number };
  /** Share of what layers of pixel decoder and class transformer compute that training drops. */
  readonly dropout: number;
  /** Of training alone. */
  readonly texts: TextEncoderOptions & {
    /** Tokens that the texts of the data's classes have at most, where they are known: the others are not computed. */
    readonly longest?: number;
    /** Different texts of a micro-batch that there is room for; all of them where absent. */
    readonly room?: number;
    /** Weight of the contrast of images and texts; 0 for none. */
    readonly weight: number;
    /** What the cosines are divided by at first. */
    readonly temperature: number;
  };
}

const FIELDS = {
  ...MASK2FORMER_FIELDS,
  classLayers: count({ min: 0, max: 64 }, "Layers of the class transformer, which makes the first queries."),
  dropout: belowOne("Share of what pixel decoder and class transformer compute that is dropped in training."),
  textWidth: orNull(count({ max: 4096 }, "Width of the text transformer; null for model.hiddenDim.")),
  textLayers: count({ max: 64 }, "Layers of the text transformer."),
  textTokens: count({ min: 2, max: 1024 }, "Tokens of a text that are read, with the marks of its two ends."),
  promptContext: count({ min: 0, max: 10_000 }, "Learned rows among those of an image's texts, one a query."),
  contrastiveWeight: nonNegative("Weight of the contrast of images and texts in a micro-batch; 0 for no texts."),
  temperature: positive("What the cosines of images and texts are divided by at first."),
};

export type OneFormerSettings = ValuesOf<typeof FIELDS>;

const USUAL: OneFormerSettings = {
  ...MASK2FORMER_USUAL,
  classLayers: 2,
  dropout: 0.1,
  textWidth: null,
  textLayers: 6,
  textTokens: 77,
  promptContext: 16,
  contrastiveWeight: 0.5,
  temperature: 0.07,
};

/** Mask2Former's, and the matrices of the class transformer and of the text branch. */
const LEAST: LeastNumbers<OneFormerSettings> = {
  weights(settings) {
    const { hiddenDim: c, decoderFfn, classLayers, textLayers, textWidth, contrastiveWeight } = settings;
    const width = textWidth ?? c;
    const texts = contrastiveWeight > 0 ? width * (VOCABULARY_SIZE + 12 * textLayers * width) : 0;
    return MASK2FORMER_LEAST.weights(settings) + classLayers * (8 * c * c + 2 * c * decoderFfn) + texts;
  },
  activations: MASK2FORMER_LEAST.activations,
};

function* conflicts(model: OneFormerSettings, training?: TrainingSizes): Generator<Conflict> {
  yield* commonConflicts(model);
  const width = model.textWidth ?? model.hiddenDim;
  const heads = headsOfText(width);
  if (width % heads !== 0) {
    const expected = `a model.textWidth that its ${heads} heads, one for each 64 channels, share out evenly`;
    yield { names: ["model.textWidth", "model.hiddenDim"], expected, found: String(width) };
  }
  if (!training || model.contrastiveWeight === 0) return;
  const without = "or model.contrastiveWeight 0";
  if (training.queries <= model.promptContext) {
    const expected = `fewer rows than decoder.queries = ${training.queries}, one of which at least is a text's`;
    const found = String(model.promptContext);
    yield { names: ["model.promptContext", "decoder.queries"], expected: `${expected}, ${without}`, found };
  }
  if (training.microBatch < 2) {
    const expected =
      "a run.microBatch of 2 or more, whose images and texts are contrasted with each other, so a run.batch that it " +
      "divides";
    yield { names: ["run.microBatch", "run.batch"], expected: `${expected}, ${without}`, found: "1" };
  }
}

function model(settings: OneFormerSettings, frame: ModelFrame): OneFormerOptions {
  const { classLayers, dropout, textWidth, hiddenDim, textLayers, textTokens, promptContext } = settings;
  return {
    ...mask2formerModel(settings, frame),
    classTransformer: { layers: classLayers },
    dropout,
    texts: {
      width: textWidth ?? hiddenDim,
      layers: textLayers,
      length: textTokens,
      context: promptContext,
      weight: settings.contrastiveWeight,
      temperature: settings.temperature,
    },
  };
}

const HEAD = "sem_seg_head";
/** Input: numbers of the task's tokens, [N, TASK_LENGTH]. */
const TASK = "task";

/** "The task is semantic", .. as `tokensOf` gives it, so that predictions need no vocabulary. */
export const TASK_LENGTH = 77;
const TASK_TOKENS: Readonly<Record<Task, readonly number[]>> = {
  semantic: [49406, 518, 10549, 533, 29119, 1550, 49407],
  instance: [49406, 518, 10549, 533, 34572, 49407],
  panoptic: [49406, 518, 10549, 533, 1072, 24755, 49407],
};

/** Numbers of the tokens of each image's task, zeros behind. The network takes them as they are: up to 49,407. */
export function taskInput(tasks: readonly Task[]): Float32Array {
  const values = new Float32Array(tasks.length * TASK_LENGTH);
  tasks.forEach((task, i) => {
    values.set(TASK_TOKENS[task], i * TASK_LENGTH);
  });
  return values;
}

const pixels = (p: Scope, maps: Pyramid, options: Mask2FormerEncoder, dropout: Dropout) =>
  pixelDecoder(p.in(HEAD, "pixel_decoder"), maps, options.pixelDecoder, dropout.in("pixel decoder"));

/** Contents and positions that the queries begin with. */
function queriesOf(
  p: Scope,
  task: Tensor,
  { maskFeatures }: PixelDecoderOutput,
  options: OneFormerOptions,
  dropout: Dropout,
) {
  const scope = p.in(HEAD, "predictor");
  const { transformerDecoder: decoder, classTransformer } = options;
  const token = layerNorm(scope.in("decoder_norm"), taskToken(p.in("task_mlp"), task, decoder.hiddenDim));
  const position = learnedPosition(scope, decoder);
  const inputs = { task: token, begin: "task" as const, positions: position, maskFeatures };
  const layers = { ...decoder, ...classTransformer };
  return { position, content: taskQueries(scope, inputs, layers, dropout.in("class transformer")) };
}

/** What pixel decoder and class transformer drop. */
function dropped(model: OneFormerOptions, shape: MicroBatchShape): ReadonlyMap<string, OwnInput> {
  if (model.dropout === 0) return new Map();
  return droppedInputsOf(model, shape, (p, graph, dropout) => {
    const features = pixels(p, placeholderMaps(graph, model.backbone, shape), model, dropout);
    queriesOf(p, graph.zeros([shape.images, TASK_LENGTH]), features, model, dropout);
  });
}

/** Those of a micro-batch: rows beside all queries but the last of them, and one a class and a task at most. */
const textSizes = ({ transformerDecoder: { queries, classes }, texts }: OneFormerOptions, images: number) => ({
  images,
  rows: queries - texts.context,
  different: Math.min(texts.room ?? Number.POSITIVE_INFINITY, classes + TASKS.length),
  length: texts.longest ?? texts.length,
});

/** Different texts of an image that there is room for at first: most images show fewer classes. */
const USUAL_TEXTS = 24;

/** Room for few texts, where that is fewer than all, and for all: what the text transformer computes grows with it. */
function rooms(model: OneFormerOptions, images: number): OneFormerOptions[] {
  const { weight, room } = model.texts;
  if (weight === 0 || room !== undefined) return [model];
  const few = { ...model, texts: { ...model.texts, room: USUAL_TEXTS * images } };
  return textRoom(textSizes(few, images)) < textRoom(textSizes(model, images)) ? [few, model] : [model];
}

const training: Training<OneFormerOptions> = {
  async fit(model, classes) {
    if (model.texts.weight === 0) return model;
    const vocabulary = await clipVocabulary();
    const { length } = model.texts;
    const all = classes.map((_, label) => ({ label }));
    const texts = TASKS.flatMap((task) => textsFor(task, all, classes, classes.length + 1));
    const longest = Math.max(...texts.map((text) => 1 + endOf(tokensOf(text, length, vocabulary))));
    return { ...model, texts: { ...model.texts, longest } };
  },
  rooms,
  aim: (task) =>
    task === "panoptic"
      ? `Each image is for one task, drawn among ${TASKS.join(", ")}, whose labels follow from the panoptic ones`
      : `Labels are for one task, so all images are: the model will know no task but ${task}`,
  inputs: (model, shape) =>
    new Map<string, OwnInput>([
      [TASK, { dtype: "float32", shape: [shape.images, TASK_LENGTH] }],
      ...(model.texts.weight > 0 ? textInputs(textSizes(model, shape.images)) : []),
      ...dropped(model, shape),
    ]),
  async draw(model, batch) {
    const { classes } = batch;
    const tasks = drawTasks(batch);
    const objects = batch.objects.map((all, image) => objectsFor(tasks[image], all, classes));
    const vocabulary = model.texts.weight > 0 ? await clipVocabulary() : undefined;
    const ofOne = dropped(model, { images: 1, size: batch.size });
    const { rows } = textSizes(model, 1);
    const textsOf = (first: number, count: number) =>
      Array.from({ length: count }, (_, i) => textsFor(tasks[first + i], objects[first + i], classes, rows));
    const room = (first: number, count: number) => {
      if (!vocabulary) return 0;
      const { size } = new Set(textsOf(first, count).flat());
      return rooms(model, count).findIndex((roomy) => size <= textRoom(textSizes(roomy, count)));
    };
    return {
      objects,
      given: new Map(),
      room,
      inputs(first, count) {
        const sizes = textSizes(rooms(model, count)[room(first, count)], count);
        return new Map<string, TensorData["data"]>([
          [TASK, taskInput(tasks.slice(first, first + count))],
          ...(vocabulary ? textValues(textsOf(first, count), sizes, vocabulary) : []),
          ...drawFactors(ofOne, model.dropout, batch, [first, count]),
        ]);
      },
    };
  },
};

/** One for all tasks. */
function recipe(backbone: Recipe["backbone"], data: Recipe["data"], objectThreshold: number): Recipe {
  return {
    name: `${backbone === "swin" ? "swin-t" : "r50"}-${data}`,
    backbone,
    data,
    task: "panoptic",
    ...(data === "ade20k" && { sizes: "semantic" }),
    settings: {
      decoder: { queries: 150 },
      data: { keepEmpty: false },
      inference: { objectThreshold, topK: 150 },
      optim: { clip: null }, // the official code means to clip at 0.01, and does not
      run: { microBatch: 2 }, // [choice] as many images as one of its GPUs has, which gather those of the others
    },
  };
}

/** Those of its configurations that have these backbones, for data that there are readers for. */
const RECIPES: readonly Recipe[] = [
  recipe("resnet50", "ade20k", 0.5),
  recipe("swin", "ade20k", 0.5),
  recipe("resnet50", "cityscapes", 0.8),
  recipe("resnet50", "coco", 0.8),
  recipe("swin", "coco", 0.8),
];

const PREDICTOR = "sem_seg_head.predictor.";
const LOGIT_SCALE = "criterion.logit_scale";
const TEXT_BRANCH = ["text_encoder.", "text_projector.", "prompt_ctx.", LOGIT_SCALE];
const FRESH =
  /^(task_mlp|sem_seg_head\.predictor\.(query_embed|class_input_proj|class_transformer|class_embed|mask_embed))\./;

export const oneFormer: Family<OneFormerSettings, Mask2FormerEncoder, OneFormerOptions> = {
  ...mask2former,
  name: "oneformer",
  title: "OneFormer",
  prefixes: {
    ...mask2former.prefixes,
    "transformer-decoder": [PREDICTOR, "task_mlp.", ...TEXT_BRANCH],
  },
  fresh: FRESH,
  trainingOnly: TEXT_BRANCH.map((prefix) => new RegExp(`^${prefix.replace(".", "\\.")}`)),
  names: {
    official: "oneformer",
    huggingface: {
      layout: "huggingface-oneformer",
      architecture: "OneFormerForUniversalSegmentation",
      keeps: [LOGIT_SCALE],
    },
  },
  settings: { ...mask2former.settings, fields: FIELDS, usual: USUAL, conflicts, model, least: LEAST },
  recipes: RECIPES,
  pretrains: false, // pretraining has no tasks: its weights are Mask2Former's
  pixelDecoder: (p, maps, options, inputs) => pixels(p, maps, options, dropoutOf(inputs)),
  transformerDecoder(p, features, options, inputs) {
    const { multiScale, maskFeatures } = features;
    const { transformerDecoder: decoder, texts: ofTexts } = options;
    const task = inputs.get(TASK);
    if (!task) throw new RangeError(`oneformer: no input "${TASK}"`);
    const queries = queriesOf(p, task, features, options, dropoutOf(inputs));
    const predictions = transformerDecoder(p.in(HEAD, "predictor"), multiScale, maskFeatures, decoder, () => queries);
    const groups = [{ name: "", objects: "matched" as const, predictions }];
    const found = textsAmong(inputs);
    if (!found) return { groups };
    const rows = textRows(p, found.texts, found.chosen, decoder.hiddenDim, ofTexts);
    const value = contrastiveLoss(queries.content, rows, logitScale(p, ofTexts.temperature));
    return { groups, losses: [{ name: "loss_contrastive", weight: ofTexts.weight, value }] };
  },
  training,
  condition: (task) => new Map([[TASK, floats([1, TASK_LENGTH], taskInput([task]))]]),
};
