/** @file A trained model, ready to segment images. */

import pLimit, { type LimitFunction } from "p-limit";
import { matchWeights } from "../checkpoint/match-weights.js";
import { InputError } from "../core/errors.js";
import type { Image, Size } from "../core/image.js";
import type { TensorData } from "../core/tensor-data.js";
import { type TestInput, type TestSize, testInput } from "../data/test-input.js";
import { familyOf, sizesOf } from "../families/families.js";
import type { PanopticMap, ScoredInstance, SemanticMap, Task } from "../masks/segmentation.js";
import { asConstants, asInputs } from "../nn/scope.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { DeviceTensor, Runtime } from "../runtime/contract.js";
import type { ModelDescription } from "../weights/model-description.js";
import { scoredInstances } from "./instances.js";
import { createMaskEnlarger, type MaskEnlarger } from "./mask-tiles.js";
import {
  conditionInputs,
  conditionsOf,
  IMAGE,
  inferenceGraph,
  inferenceWeights,
  LOGITS,
  MASKS,
} from "./model-graph.js";
import type { ImageSizes, NetworkOutput } from "./network-output.js";
import { highestObjectScore, panopticMap } from "./panoptic.js";
import { createProgramCache, type OpenProgram, type ProgramCache } from "./program-cache.js";
import { createSemanticScorer, type ScoreOrder, type SemanticScorer, semanticMap } from "./semantic.js";
import { checkForms, cutOut, networkSize, ownInstances, type SeenAs, type Window, windowsOf } from "./windows.js";

export type FixedWeights = ReadonlyMap<string, TensorData>;
export type LiveWeights = ReadonlyMap<string, DeviceTensor<"float32">>;

export interface PredictorOptions {
  /**
   * Values become part of the compiled network, which is fastest. Tensors of the runtime are read at each prediction,
   * so that training sees its current weights without a copy; they must outlive the predictor and not change during a
   * prediction. More weights than the network needs are fine.
   */
  readonly weights: FixedWeights | LiveWeights;
  /**
   * Images that are under way at once, by default as many as there are cores. 1 gives all cores to one image: the
   * shortest wait for a single one.
   */
  readonly concurrency?: number;
  /**
   * Compiled networks that are kept, one for each padded size. Each holds its own copy of fixed weights, and dropping
   * one does not give all of its memory back, so predict images in the order of `groupByPaddedSize`. Default 2.
   */
  readonly programs?: number;
}

/** What was asked for, at the image's own size. */
export interface Prediction {
  readonly semantic?: SemanticMap;
  readonly panoptic?: PanopticMap;
  /** Best score first; all of the top k, however small their scores. */
  readonly instances?: readonly ScoredInstance[];
  /**
   * The highest probability that any query gives to a class that is its first choice; 0 when all choose "no object".
   */
  readonly confidence: number;
  /** See `PanopticPrediction.keptShare`. */
  readonly keptShare?: number;
}

/** What a network says of an image. */
export interface Seen {
  readonly output: NetworkOutput;
  readonly sizes: ImageSizes;
}

type Condition = ReadonlyMap<string, TensorData>;

const DEFAULT_PROGRAMS = 2;

function isLive(weights: FixedWeights | LiveWeights): weights is LiveWeights {
  const [first] = weights.values();
  return first !== undefined && "write" in first;
}

/** A model with its weights on a runtime: segments images of any size. */
export class Predictor {
  private readonly scorers = new Map<ScoreOrder, Promise<SemanticScorer>>();
  private enlarger: Promise<MaskEnlarger> | undefined;
  private readonly gate: LimitFunction;

  private constructor(
    private readonly runtime: Runtime,
    readonly model: ModelDescription,
    private readonly networks: ProgramCache,
    private readonly live: LiveWeights | undefined,
    readonly concurrency: number,
  ) {
    this.gate = pLimit(concurrency);
  }

  /**
   * Networks are compiled when the first image of their size comes.
   * @throws InputError that names the weights when some are missing or of another shape
   */
  static async create(runtime: Runtime, model: ModelDescription, options: PredictorOptions): Promise<Predictor> {
    const { weights, concurrency = runtime.cores, programs = DEFAULT_PROGRAMS } = options;
    const { architecture } = model;
    const found = new Map<string, readonly number[]>();
    for (const [name, { shape }] of weights) found.set(name, shape);
    const needed = inferenceWeights(architecture);
    matchWeights(needed, found, { source: "weights of the model", allowUnexpected: [/^/] });
    const live = isLive(weights) ? weights : undefined;
    const threads = Math.max(1, Math.floor(runtime.cores / concurrency));
    const { queries, classes } = sizesOf(architecture);
    const networks = createProgramCache(runtime, {
      capacity: programs,
      queries,
      logits: classes + 1,
      own: conditionInputs(architecture),
      compile(size) {
        const graph = inferenceGraph(architecture, size, (graph) =>
          isLive(weights) ? asInputs(graph) : asConstants(graph, weights),
        );
        return compileGraph(runtime, graph, { frozenWeights: true, threads });
      },
    });
    return new Predictor(runtime, model, networks, live, concurrency);
  }

  /**
   * Segments an image in the forms that are asked for, whatever the model was trained for; one that predicts in windows
   * gives instances alone. May be called again before it has answered: `concurrency` images or windows are under way at
   * once, the others wait.
   * @throws InputError when the weights give values that are not finite, or for a form that cannot be had
   */
  async predict(image: Image, forms: ReadonlySet<Task>): Promise<Prediction> {
    const { inference } = this.model;
    checkForms(forms, inference);
    const size = networkSize(image, inference);
    const windows = windowsOf(image, inference);
    if (windows.length === 1) return this.predictWindow(image, windows[0], size, forms);
    const parts = await Promise.all(windows.map((window) => this.predictWindow(image, window, size, forms)));
    const instances = parts.flatMap(({ instances = [] }, i) => ownInstances(instances, windows[i], image));
    return {
      instances: instances.sort((a, b) => b.score - a.score),
      confidence: Math.max(...parts.map(({ confidence }) => confidence)),
    };
  }

  /**
   * What the network itself says of an image as a whole, asked for a task, for `interpret`.
   * @throws InputError when the weights give values that are not finite
   */
  look(image: Image, task: Task): Promise<Seen> {
    const size = networkSize(image, { ...this.model.inference, window: undefined });
    return this.inNetwork(
      () => image,
      size,
      async (open, input, sizes) => {
        const { logits, masks, ...counts } = await this.run(open, input, conditionsOf(this.model.architecture, task));
        return { output: { ...counts, logits: logits.slice(), masks: masks.slice() }, sizes };
      },
    );
  }

  /** A window is cut out when its turn comes: all of them together hold the image's pixels more than once. */
  private predictWindow(whole: Image, window: Window, size: TestSize, forms: ReadonlySet<Task>): Promise<Prediction> {
    return this.inNetwork(
      () => cutOut(whole, window),
      size,
      async (open, input, sizes) => {
        const answers: Prediction[] = [];
        for (const { asked, condition } of this.questions(forms)) {
          answers.push(await this.interpret({ output: await this.run(open, input, condition), sizes }, asked));
        }
        const confidence = Math.max(...answers.map((answer) => answer.confidence));
        return Object.assign({}, ...answers, { confidence });
      },
    );
  }

  /** Waits for a turn, and for a network of that size. */
  private inNetwork<T>(
    imageOf: () => Image,
    size: TestSize,
    use: (open: OpenProgram, input: TestInput, sizes: ImageSizes) => Promise<T>,
  ): Promise<T> {
    return this.gate(async () => {
      const { width, height, ...image } = imageOf();
      const input = testInput({ ...image, width, height }, size);
      const padded = { width: input.paddedWidth, height: input.paddedHeight };
      return this.networks.with(padded, (open) => use(open, input, { original: { width, height }, input, padded }));
    });
  }

  /** What the network is to be asked: each task for itself where the family has a condition, or all at once. */
  private questions(forms: ReadonlySet<Task>): { asked: ReadonlySet<Task>; condition: Condition }[] {
    const { condition } = familyOf(this.model.architecture);
    if (!condition) return [{ asked: forms, condition: new Map() }];
    return [...forms].map((task) => ({ asked: new Set([task]), condition: condition(task) }));
  }

  private async run(
    { program, slot }: OpenProgram,
    { planes }: TestInput,
    condition: Condition,
  ): Promise<NetworkOutput> {
    await slot.image.write({ dtype: "float32", shape: slot.image.shape, data: planes });
    for (const [name, values] of condition) await slot.own.get(name)?.write(values);
    const isWeight = (name: string) => name !== IMAGE && !slot.own.has(name);
    const weights = this.live
      ? program.inputs.filter(isWeight).map((name) => [name, this.live!.get(name)!] as const)
      : [];
    await program.run(
      { ...Object.fromEntries([...weights, ...slot.own]), [IMAGE]: slot.image },
      { [LOGITS]: slot.logits, [MASKS]: slot.masks },
    );
    const valuesOf = async (tensor: DeviceTensor<"float32">) => tensor.data ?? (await tensor.read()).data;
    const { queries, classes } = sizesOf(this.model.architecture);
    const logits = await valuesOf(slot.logits);
    if (!logits.every(Number.isFinite)) {
      throw new InputError({
        where: "prediction",
        expected: "finite class logits",
        found: "NaN or infinity",
        fix: "The weights have diverged; take an earlier checkpoint.",
      });
    }
    return { queries, classes, logits, masks: await valuesOf(slot.masks) };
  }

  /** What that means, in the forms that are asked for. */
  async interpret({ output, sizes }: Seen, forms: ReadonlySet<Task>): Promise<Prediction> {
    const { architecture, classes, inference, task } = this.model;
    const enlarger = () => (this.enlarger ??= createMaskEnlarger(this.runtime));
    const instances = { topK: inference.topK, thingsOnly: task === "panoptic" };
    const panoptic = forms.has("panoptic")
      ? await panopticMap(await enlarger(), output, sizes, classes, {
          ...inference,
          pixels: familyOf(architecture).segments.panoptic,
        })
      : undefined;
    return {
      ...(forms.has("semantic") && { semantic: await semanticMap(await this.scorer(output, sizes), output, sizes) }),
      ...(panoptic && { panoptic: panoptic.map, keptShare: panoptic.keptShare }),
      ...(forms.has("instance") && {
        instances: await scoredInstances(await enlarger(), output, sizes, classes, instances),
      }),
      confidence: highestObjectScore(output),
    };
  }

  /**
   * Semantic models score at the network's size and resize the scores (maskformer_model.py:
   * SEM_SEG_POSTPROCESSING_BEFORE_INFERENCE); the same where sizes are equal.
   */
  private scorer(output: NetworkOutput, { original, input }: ImageSizes): Promise<SemanticScorer> {
    const resized = original.width !== input.width || original.height !== input.height;
    const order = this.model.task === "semantic" && resized ? "resize-scores" : "resize-masks";
    const known = this.scorers.get(order);
    if (known) return known;
    const made = createSemanticScorer(this.runtime, output, order);
    this.scorers.set(order, made);
    return made;
  }

  /** Gives the memory back. No prediction may be under way. */
  async dispose(): Promise<void> {
    this.networks.dispose();
    for (const scorer of this.scorers.values()) (await scorer).dispose();
    (await this.enlarger)?.dispose();
  }
}

/**
 * Indices of images, grouped by the size at which the network sees them: in this order each network is compiled once.
 * Within a group and between first members they keep their order.
 */
export function groupByPaddedSize(images: readonly Size[], seenAs: SeenAs): number[][] {
  const groups = new Map<string, number[]>();
  images.forEach((image, i) => {
    const { paddedWidth, paddedHeight } = networkSize(image, seenAs);
    const key = `${paddedWidth}x${paddedHeight}`;
    const group = groups.get(key);
    if (group) group.push(i);
    else groups.set(key, [i]);
  });
  return [...groups.values()];
}
