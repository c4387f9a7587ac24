/** @file The graphs of a pretraining step: the method of `method.ts` cut into programs. */

import type { TensorData } from "../core/tensor-data.js";
import { withDropPath } from "../families/drop-path.js";
import { type EncoderArchitecture, familyOf } from "../families/families.js";
import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import { ancestors, Graph, type Tensor } from "../graph/graph.js";
import { backboneChannels, type Pyramid } from "../models/backbone.js";
import { asConstants, asInputs, Parameters, type Scope } from "../nn/scope.js";
import type { ObjectiveWeights } from "../train/objective.js";
import type { MaskGrid } from "./draws.js";
import { addNoise, type MethodOptions, type Step, step, target } from "./method.js";

/** Everything that shapes the programs and the draws of one micro-batch; plain data. */
export interface StepOptions {
  readonly encoder: EncoderArchitecture;
  readonly method: MethodOptions;
  /** C, channels of both decoders. */
  readonly channels: number;
  readonly mask: MaskGrid;
  /** Standard deviation, and the side in pixels of the square that shares one draw. */
  readonly noise: { readonly sigma: number; readonly block: number };
  /** Images, and the side of each in pixels. */
  readonly images: number;
  readonly size: number;
  /** A frozen backbone is shared by online and target encoder: one program computes its maps for both. */
  readonly frozenBackbone: boolean;
}

/** Graph inputs that hold the target's weights carry this in front of the canonical name. */
export const TARGET_PREFIX = "target.";
export const GRADIENT_PREFIX = "gradient.";
/** Output with all batch statistics, concatenated in the order of `ObjectiveWeights.observed`. */
export const STATISTICS = "batch-statistics";
/** Inputs, and the output of the target program. */
export const IMAGES = "images";
export const NOISE = "noise";
export const MASKED = "masked";
export const QUERIES = "queries";
export const TARGET = "target";
/** Scalars that the step reports. */
export const LOSSES = ["loss", "reconstruction", "denoising"] as const;
export const COSINE = "cosine";
/** First and second moments of the target features [C] and [C,C]: enough for their deviation and effective rank. */
export const MOMENTS = ["target-mean", "target-gram"] as const;
/** The same of F_last of the noisy images. */
export const LAST_MOMENTS = ["last-mean", "last-gram"] as const;
/** Output of the evaluation: squared error of each masked position, mean over channels, [N * K]. */
export const POSITION_ERROR = "position-error";

const STRIDES = [4, 8, 16, 32];

/** Shapes of the inputs of the programs. */
export function stepShapes({ encoder, method, channels, mask, noise, images: n, size }: StepOptions) {
  const { positions, masked } = mask;
  const noiseSide = size / noise.block;
  return {
    images: [n, 3, size, size],
    noise: [n, 3, noiseSide, noiseSide],
    masked: [n, masked],
    queries: [n, method.queries === "masked" ? masked : positions, channels],
    target: [n, positions, channels],
    maps: backboneChannels(familyOf(encoder).backboneOf(encoder)).map((c, i) => [
      n,
      c,
      size / STRIDES[i],
      size / STRIDES[i],
    ]),
  };
}

/** Names of the backbone maps as inputs and outputs: "clean.res2", "noisy.res5". */
const mapNames = (kind: "clean" | "noisy") => STRIDES.map((_, i) => `${kind}.res${i + 2}`);

/** The maps of the backbone: inputs where it is frozen, else computed from the images. */
function mapsOf(
  graph: Graph,
  p: Scope,
  kind: "clean" | "noisy",
  { encoder, frozenBackbone, ...options }: StepOptions,
  images: () => Tensor,
): Pyramid {
  if (!frozenBackbone) return familyOf(encoder).backbone(p, images(), encoder);
  const { maps } = stepShapes({ encoder, frozenBackbone, ...options });
  return mapNames(kind).map((name, i) => graph.input(name, "float32", maps[i])) as unknown as Pyramid;
}

/**
 * Frozen backbone, weights folded in: images and noise -> maps of the clean and of the noisy images, one pass for both.
 */
export function buildFrozenBackbone(options: StepOptions, weights: ReadonlyMap<string, TensorData>): Graph {
  const { encoder } = options;
  const graph = new Graph("frozen backbone");
  const shapes = stepShapes(options);
  const images = graph.input(IMAGES, "float32", shapes.images);
  const noise = graph.input(NOISE, "float32", shapes.noise);
  const { root } = new Parameters(asConstants(graph, weights));
  const both = g.concat([images, addNoise(images, noise)], 0);
  const family = familyOf(encoder);
  const n = options.images;
  family.backbone(root, both, family.forInference(encoder)).forEach((map, i) => {
    graph.output(mapNames("clean")[i], g.slice(map, 0, 0, n));
    graph.output(mapNames("noisy")[i], g.slice(map, 0, n, 2 * n));
  });
  return graph;
}

/** Target encoder: clean images (or their backbone maps) -> T as the output TARGET. */
export function buildTarget(options: StepOptions): { graph: Graph; parameters: Parameters } {
  const { encoder, method } = options;
  const graph = new Graph("target");
  const parameters = new Parameters(asInputs(graph, TARGET_PREFIX));
  const images = () => graph.input(IMAGES, "float32", stepShapes(options).images);
  const maps = mapsOf(graph, parameters.root, "clean", options, images);
  const features = familyOf(encoder).pixelDecoder(parameters.root, maps, encoder);
  graph.output(TARGET, target(features, method));
  return { graph, parameters };
}

/** Inputs, online parameters and the step of one micro-batch; `training` with drop path, where the backbone trains. */
function buildStep(
  name: string,
  options: StepOptions,
  { training }: { training: boolean },
): { graph: Graph; parameters: Parameters; result: Step } {
  const graph = new Graph(name);
  const shapes = stepShapes(options);
  const images = graph.input(IMAGES, "float32", shapes.images);
  const noise = graph.input(NOISE, "float32", shapes.noise);
  const inputs = {
    images,
    noise,
    masked: graph.input(MASKED, "int64", shapes.masked),
    queries: graph.input(QUERIES, "float32", shapes.queries),
  };
  const truth = graph.input(TARGET, "float32", shapes.target);
  const parameters = new Parameters(asInputs(graph));
  const { frozenBackbone, images: n } = options;
  const encoder = training && !frozenBackbone ? withDropPath(graph, options.encoder, n) : options.encoder;
  const maps = mapsOf(graph, parameters.root, "noisy", { ...options, encoder }, () => addNoise(images, noise));
  const result = step(encoder, parameters.root, inputs, maps, truth, options.method);
  const gram = g.mul(g.gemm(result.target, result.target, undefined, { transA: true }), 1 / result.target.shape[0]);
  const last = g.reshape(result.last, [...result.last.shape.slice(0, 2), -1]);
  const lastGram = g.mul(g.matMul(last, last, { transB: true }), 1 / last.shape[2]);
  for (const loss of LOSSES) if (result[loss]) graph.output(loss, result[loss]);
  graph.output(COSINE, result.cosine);
  graph.output(MOMENTS[0], g.reduceMean(result.target, [0]));
  graph.output(MOMENTS[1], gram);
  graph.output(LAST_MOMENTS[0], g.reduceMean(last, [0, 2]));
  graph.output(LAST_MOMENTS[1], g.reduceMean(lastGram, [0]));
  return { graph, parameters, result };
}

export interface GradientGraph extends Pick<ObjectiveWeights, "declarations" | "trained" | "observed"> {
  readonly graph: Graph;
}

/**
 * Online encoder, predictor, losses and their gradients for one micro-batch: the output GRADIENT_PREFIX + name of each.
 */
export function buildGradients(options: StepOptions): GradientGraph {
  const { graph, parameters, result } = buildStep("gradients", options, { training: true });
  const active = ancestors([result.loss]);
  const tensorOf = (name: string) => parameters.tensors.get(name) as Tensor;
  const trained = parameters.trainable.filter((name) => active.has(tensorOf(name)));
  gradients(result.loss, trained.map(tensorOf)).forEach((gradient, i) => {
    graph.output(GRADIENT_PREFIX + trained[i], gradient);
  });
  const observed = [...parameters.observed].map(([name, t]) => ({ name, size: t.shape[0] }));
  if (observed.length > 0) graph.output(STATISTICS, g.concat([...parameters.observed.values()], 0));
  return { graph, declarations: parameters.declarations, trained, observed };
}

/** The losses without gradients, and with reconstruction the error of each masked position. */
export function buildEvaluation(options: StepOptions): { graph: Graph; parameters: Parameters } {
  const { graph, parameters, result } = buildStep("evaluation", options, { training: false });
  if (result.prediction) {
    const difference = g.sub(result.prediction, result.target);
    graph.output(POSITION_ERROR, g.reduceMean(g.mul(difference, difference), [1]));
  }
  return { graph, parameters };
}
