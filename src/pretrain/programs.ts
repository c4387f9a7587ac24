/** @file The graphs of a pretraining step, built from the settings. Below this file nobody sees a settings object. */

import type { TensorData } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import { ancestors, Graph, type Tensor } from "../graph/graph.js";
import { type BackboneOptions, backboneChannels, keepShape, type Pyramid } from "../models/backbone.js";
import { asConstants, asInputs, Parameters } from "../nn/scope.js";
import { backboneOptions, pixelDecoderOptions } from "../run/architecture.js";
import { addNoise } from "./context.js";
import { backboneFeatures, featuresAt, pixelFeatures } from "./encoder.js";
import { objective } from "./objective.js";
import { maskGrid, type PretrainSettings } from "./settings.js";
import { targetTokens } from "./target.js";

/** Graph inputs that hold the target's weights carry this in front of the canonical name. */
export const TARGET_PREFIX = "target.";
export const GRADIENT_PREFIX = "gradient.";
/** Output with all batch statistics, concatenated in the order of `ParameterSet.observed`. */
export const STATISTICS = "batch-statistics";

const STRIDES = [4, 8, 16, 32];

function predictorOptions({ model, pretrain, run }: PretrainSettings) {
  return {
    heads: model.heads,
    feedForwardDim: model.decoderFfn,
    layers: model.decoderLayers,
    selfAttentionBlocks: pretrain.selfAttentionBlocks,
    level: 5 - Math.log2(pretrain.featureStride),
    recomputeLayers: run.recompute.includes("decoder-layers"),
  };
}

/** Sizes of the inputs of one micro-batch. */
export function stepShapes(settings: PretrainSettings) {
  const { backbone, data, model, pretrain, run } = settings;
  const options = backboneOptions(settings.model, settings.run.recompute);
  const { cells, masked } = maskGrid(settings);
  const positions = cells * cells;
  const maskedCells = masked * pretrain.maskPatch ** 2;
  const noiseSide = data.size / pretrain.noiseBlock;
  const asked = pretrain.queries === "masked" ? maskedCells : positions;
  return {
    images: [run.microBatch, 3, data.size, data.size],
    noise: [run.microBatch, 3, noiseSide, noiseSide],
    masked: [run.microBatch, maskedCells],
    queries: [run.microBatch, asked, model.hiddenDim],
    target: [run.microBatch, positions, model.hiddenDim],
    pyramid: STRIDES.map((stride, i) => [
      run.microBatch,
      backboneChannels(options)[i],
      data.size / stride,
      data.size / stride,
    ]),
    /** Factors of drop path, where the backbone trains with it. */
    keep: backbone.frozen ? undefined : keepShape(options, run.microBatch),
  };
}

/** Names of the backbone maps as inputs and outputs: "clean.res2", "noisy.res5". */
export const pyramidNames = (kind: "clean" | "noisy") => STRIDES.map((_, i) => `${kind}.res${i + 2}`);

function pyramidInputs(graph: Graph, kind: "clean" | "noisy", shapes: readonly (readonly number[])[]): Pyramid {
  return pyramidNames(kind).map((name, i) => graph.input(name, "float32", shapes[i])) as unknown as Pyramid;
}

/**
 * Frozen backbone, weights folded in: images and noise -> maps of the clean and of the noisy images, one pass for both.
 */
export function buildFrozenBackbone(settings: PretrainSettings, weights: ReadonlyMap<string, TensorData>): Graph {
  const graph = new Graph("frozen backbone");
  const shapes = stepShapes(settings);
  const images = graph.input("images", "float32", shapes.images);
  const noise = graph.input("noise", "float32", shapes.noise);
  const { root } = new Parameters(asConstants(graph, weights));
  const both = g.concat([images, addNoise(images, noise)], 0);
  const pyramid = backboneFeatures(root, both, {
    ...backboneOptions(settings.model, settings.run.recompute),
    recomputeBlocks: false,
  });
  const n = images.shape[0];
  pyramid.forEach((map, i) => {
    graph.output(pyramidNames("clean")[i], g.slice(map, 0, 0, n));
    graph.output(pyramidNames("noisy")[i], g.slice(map, 0, n, 2 * n));
  });
  return graph;
}

/** Target encoder: clean images (or their backbone maps) -> T as the output "target". */
export function buildTarget(settings: PretrainSettings): { graph: Graph; parameters: Parameters } {
  const graph = new Graph("target");
  const shapes = stepShapes(settings);
  const parameters = new Parameters(asInputs(graph, TARGET_PREFIX));
  const pyramid = settings.backbone.frozen
    ? pyramidInputs(graph, "clean", shapes.pyramid)
    : backboneFeatures(
        parameters.root,
        graph.input("images", "float32", shapes.images),
        backboneOptions(settings.model, settings.run.recompute),
      );
  const encoded = pixelFeatures(parameters.root, pyramid, pixelDecoderOptions(settings.model, settings.run.recompute));
  graph.output("target", targetTokens(featuresAt(settings.pretrain.featureStride, encoded)));
  return { graph, parameters };
}

/** The backbone under training: with the graph input "keep" where it has drop path. */
function trainingBackbone(graph: Graph, settings: PretrainSettings): BackboneOptions {
  const options = backboneOptions(settings.model, settings.run.recompute);
  const { keep } = stepShapes(settings);
  return options.kind === "swin" && keep ? { ...options, keep: graph.input("keep", "float32", keep) } : options;
}

/** Inputs, online parameters and the objective of one micro-batch; `training` with drop path. */
function buildObjective(name: string, settings: PretrainSettings, { training }: { training: boolean }) {
  const { pretrain, backbone } = settings;
  const graph = new Graph(name);
  const shapes = stepShapes(settings);
  const images = graph.input("images", "float32", shapes.images);
  const noise = graph.input("noise", "float32", shapes.noise);
  const inputs = {
    images,
    noise,
    masked: graph.input("masked", "int64", shapes.masked),
    queries: graph.input("queries", "float32", shapes.queries),
    target: graph.input("target", "float32", shapes.target),
  };
  const parameters = new Parameters(asInputs(graph));
  const pyramid = backbone.frozen
    ? pyramidInputs(graph, "noisy", shapes.pyramid)
    : backboneFeatures(
        parameters.root,
        addNoise(images, noise),
        training ? trainingBackbone(graph, settings) : backboneOptions(settings.model, settings.run.recompute),
      );
  const result = objective(
    parameters.root,
    { ...inputs, pyramid },
    {
      pixelDecoder: pixelDecoderOptions(settings.model, settings.run.recompute),
      predictor: predictorOptions(settings),
      featureStride: pretrain.featureStride,
      reconstruction: pretrain.reconstruction,
      denoising: pretrain.denoising,
      denoiseTarget: pretrain.denoiseTarget,
      queries: pretrain.queries,
    },
  );
  for (const [reported, tensor] of result.report) graph.output(reported, tensor);
  return { graph, parameters, ...result };
}

export interface GradientGraph {
  graph: Graph;
  parameters: Parameters;
  /** Names of the parameters that the loss reaches; output GRADIENT_PREFIX + name holds each one's gradient. */
  trained: readonly string[];
  /** Names of the outputs that report on the step. */
  reports: readonly string[];
  /** Running statistics that follow the batch's, with their sizes, in the order of the output STATISTICS. */
  observed: readonly { name: string; size: number }[];
}

/** Online encoder, predictor, losses and their gradients for one micro-batch. */
export function buildGradients(settings: PretrainSettings): GradientGraph {
  const { graph, parameters, loss, report } = buildObjective("gradients", settings, { training: true });
  const active = ancestors([loss]);
  const tensorOf = (name: string) => parameters.tensors.get(name) as Tensor;
  const trained = parameters.trainable.filter((name) => active.has(tensorOf(name)));
  gradients(loss, trained.map(tensorOf)).forEach((gradient, i) => {
    graph.output(GRADIENT_PREFIX + trained[i], gradient);
  });
  const observed = [...parameters.observed].map(([name, t]) => ({ name, size: t.shape[0] }));
  if (observed.length > 0) graph.output(STATISTICS, g.concat([...parameters.observed.values()], 0));
  return { graph, parameters, trained, reports: [...report.keys()], observed };
}

/** Output of `buildEvaluation`: squared error of each masked position, mean over channels. */
export const POSITION_ERROR = "position-error";

/** The losses without gradients, and with reconstruction the error of each masked position, [N * K]. */
export function buildEvaluation(settings: PretrainSettings): Graph {
  const { graph, prediction, target } = buildObjective("evaluation", settings, { training: false });
  if (prediction) {
    const difference = g.sub(prediction, target);
    graph.output(POSITION_ERROR, g.reduceMean(g.mul(difference, difference), [1]));
  }
  return graph;
}

/** One clean image [1,3,H,W] -> F_last, "mask-features" [1,C,H/4,W/4]. */
export function buildFeatures(settings: PretrainSettings): { graph: Graph; parameters: Parameters } {
  const graph = new Graph("features");
  const parameters = new Parameters(asInputs(graph));
  const images = graph.input("images", "float32", [1, ...stepShapes(settings).images.slice(1)]);
  const pyramid = backboneFeatures(parameters.root, images, backboneOptions(settings.model, settings.run.recompute));
  graph.output(
    "mask-features",
    pixelFeatures(parameters.root, pyramid, pixelDecoderOptions(settings.model, settings.run.recompute)).maskFeatures,
  );
  return { graph, parameters };
}
