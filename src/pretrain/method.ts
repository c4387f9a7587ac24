/**
 * @file Mask-JEPA (Kim et al., ECCV 2024, Figure 3), one step from top to bottom: target, noise, context, mask,
 * predictor, the two losses, the average. N images of H x W pixels, C channels of both decoders, P positions of F_i1, K
 * of them masked.
 */

import { type EncoderArchitecture, familyOf } from "../families/families.js";
import * as g from "../graph/build.js";
import { recompute } from "../graph/differentiate.js";
import type { Tensor } from "../graph/graph.js";
import { meanSquaredError } from "../losses/mean-squared-error.js";
import type { Pyramid } from "../models/backbone.js";
import { type DecoderLayerOptions, decoderLayers } from "../models/decoder-layer.js";
import type { PixelDecoderOutput } from "../models/pixel-decoder.js";
import { sinePositions } from "../models/position-embedding.js";
import { multiHeadAttention } from "../nn/attention.js";
import { normal, torchWeight, zeros } from "../nn/init.js";
import { areaAverage, conv2d, feedForward, layerNorm, linear, standardize, toTokens } from "../nn/layers.js";
import type { Scope } from "../nn/scope.js";
import { linearRamp } from "../train/schedule.js";

/** f_trans as the predictor. */
export interface PredictorOptions extends DecoderLayerOptions {
  /** L, layers of the transformer decoder. */
  readonly layers: number;
  /** M, self-attention blocks over the masked features, before the decoder's layers. */
  readonly selfAttentionBlocks: number;
  readonly recomputeLayers?: boolean;
}

export interface TargetOptions {
  /** s_i1, stride of the map that is masked and predicted: 8, 16 or 32. */
  readonly featureStride: number;
  /**
   * "channels", the paper's layer norm: each position over its channels; "positions": each channel over the positions
   * of its image; "both": the one, then the other.
   */
  readonly targetNorm: "channels" | "positions" | "both";
}

export interface MethodOptions extends TargetOptions {
  readonly predictor: PredictorOptions;
  /** Parts of the loss. */
  readonly reconstruction: boolean;
  readonly denoising: boolean;
  readonly denoiseTarget: "noise" | "image";
  /** Ask the predictor for the masked positions only, or for every position. */
  readonly queries: "masked" | "all";
}

/** What a step is given. */
export interface StepInputs {
  /** x, normalised images [N,3,H,W]. */
  readonly images: Tensor;
  /** e ~ N(0, sigma^2), [N,3,H/b,W/b]. */
  readonly noise: Tensor;
  /** Masked positions in the grid of F_i1, ascending: int64 [N,K]. */
  readonly masked: Tensor;
  /** Content of the queries ~ N(0, 1), [N,Q,C]. */
  readonly queries: Tensor;
}

/** What comes of a step. */
export interface Step {
  /** L = L_recon + L_denoise. */
  readonly loss: Tensor;
  readonly reconstruction?: Tensor;
  readonly denoising?: Tensor;
  /** Predicted and true features of the masked positions, [N * K, C]; no prediction without reconstruction. */
  readonly prediction?: Tensor;
  readonly target: Tensor;
  /** F_last of the noisy images, [N,C,H/4,W/4]. */
  readonly last: Tensor;
  /** Mean product of online and target features, both normalised alike: with the layer norm their mean cosine. */
  readonly cosine: Tensor;
}

/**
 * Names of what pretraining has beside the architecture: mask token, self-attention blocks, f_L and the denoising
 * convolution.
 */
export const OWN_PREFIX = "mask_jepa.";
const ownScope = (p: Scope) => p.at(OWN_PREFIX);

// ── Target ──

/** T = the normalised F_i1 of the target encoder on the clean images, no affine. [N,P,C] */
export function target(features: PixelDecoderOutput, { featureStride, targetNorm }: TargetOptions): Tensor {
  const tokens = toTokens(featuresAt(featureStride, features));
  const overChannels = targetNorm === "positions" ? tokens : standardize(tokens)[0];
  return targetNorm === "channels" ? overChannels : standardizeOverPositions(overChannels);
}

/** Zero mean and unit variance of each channel over the positions of its image: tokens [N,P,C]. */
function standardizeOverPositions(tokens: Tensor): Tensor {
  return g.transpose(standardize(g.transpose(tokens, [0, 2, 1]))[0], [0, 2, 1]);
}

/** F_i1: [N,C,H/s,W/s] for s = 8, 16 or 32. */
function featuresAt(stride: number, { multiScale }: PixelDecoderOutput): Tensor {
  return multiScale[levelOf(stride)];
}

/** Place of a stride among the maps of the pixel decoder, 32, 16, 8. */
const levelOf = (stride: number) => 5 - Math.log2(stride);

// ── Noise ──

/** x' = x + e, each value of e filling a b x b block. [N,3,H,W] */
export function addNoise(images: Tensor, noise: Tensor): Tensor {
  return g.add(images, enlarged(noise, images.shape.slice(2)));
}

/** [N,3,h,w] at a finer size, a multiple of h x w. */
function enlarged(noise: Tensor, [height, width]: readonly number[]): Tensor {
  const [n, c, h, w] = noise.shape;
  const blocks = g.expand(g.reshape(noise, [n, c, h, 1, w, 1]), [n, c, h, height / h, w, width / w]);
  return g.reshape(blocks, [n, c, height, width]);
}

// ── Context, prediction and losses ──

/**
 * The online side: F_i1 and F_last of the noisy images, the masked features predicted from the visible ones, the noise
 * from F_last. `p` is the root scope; `maps` are the backbone's of the noisy images, `targetTokens` is T [N,P,C].
 */
export function step(
  encoder: EncoderArchitecture,
  p: Scope,
  { images, noise, masked, queries }: StepInputs,
  maps: Pyramid,
  targetTokens: Tensor,
  options: MethodOptions,
): Step {
  const family = familyOf(encoder);
  const features = family.pixelDecoder(p, maps, encoder);
  const context = featuresAt(options.featureStride, features);
  const rows = tokenRows(masked, targetTokens.shape[1]);
  const truth = tokensAt(targetTokens, rows);
  const cosine = g.reduceMean(g.mul(target(features, options), targetTokens));
  const prediction = options.reconstruction
    ? predictMasked(p.at(family.prefixes["transformer-decoder"][0]), p, context, { rows, masked, queries }, options)
    : undefined;
  const reconstruction = prediction && meanSquaredError(prediction, truth);
  const denoising = options.denoising
    ? denoisingLoss(p, features.maskFeatures, images, noise, options.denoiseTarget)
    : undefined;
  const loss = [reconstruction, denoising].filter((part) => part !== undefined).reduce((a, b) => g.add(a, b));
  return { loss, reconstruction, denoising, prediction, target: truth, last: features.maskFeatures, cosine };
}

/** Mask: tokens [N,P,C] with those at `rows` replaced by one learned token. */
export function maskTokens(p: Scope, tokens: Tensor, rows: Tensor): Tensor {
  const [n, count, c] = tokens.shape;
  const token = p.parameter("mask_token", [c], normal(0.02));
  const masked = g.expand(token, [rows.shape[0], c]);
  const flat = g.reshape(tokens, [n * count, c]);
  return g.reshape(g.scatterND(flat, g.reshape(rows, [-1, 1]), masked, "none"), tokens.shape);
}

/** Predictor: the features of the masked positions from those of the others, [N * K, C]. */
function predictMasked(
  decoder: Scope,
  p: Scope,
  context: Tensor,
  { rows, masked, queries }: { rows: Tensor; masked: Tensor; queries: Tensor },
  { predictor, featureStride, queries: asked }: MethodOptions,
): Tensor {
  const [n, c, h, w] = context.shape;
  const positions = context.graph.constant(sinePositions([h, w], c));
  const memory = maskTokens(ownScope(p), toTokens(context), rows);
  const position = asked === "masked" ? g.gather(positions, masked) : positions;
  const predicted = predict(
    p,
    decoder,
    { memory, positions, level: levelOf(featureStride) },
    { content: queries, position },
    predictor,
  );
  return asked === "masked" ? g.reshape(predicted, [n * masked.shape[1], c]) : tokensAt(predicted, rows);
}

/**
 * f_trans as the predictor, [N,Q,C]: M self-attention blocks over the memory [N,P,C], then the decoder's L layers
 * without attention masks, every one of them over this memory, its norm, and the linear map f_L.
 */
function predict(
  p: Scope,
  decoder: Scope,
  { memory, positions, level }: { memory: Tensor; positions: Tensor; level: number },
  queries: { content: Tensor; position: Tensor },
  options: PredictorOptions,
): Tensor {
  const c = memory.shape[2];
  const own = ownScope(p);
  let seen = memory;
  for (let i = 0; i < options.selfAttentionBlocks; i++) {
    const x = seen;
    const block = () => [selfAttentionBlock(own.in("blocks", i), x, positions, options)];
    [seen] = options.recomputeLayers ? recompute(x.graph, block) : block();
  }
  const levelEmbed = decoder.in("level_embed").parameter("weight", [LEVELS, c], normal(), { decay: false });
  const values = g.add(seen, g.slice(levelEmbed, 0, level, level + 1));
  const keys = g.add(values, positions);
  const content = decoderLayers(decoder, queries, () => ({ values, keys }), options);
  return linear(own.in("prediction"), layerNorm(decoder.in("decoder_norm"), content), c);
}

const LEVELS = 3;

/** Self-attention (position added to q and k) and feed-forward, post-norm; x [N,P,C]. */
function selfAttentionBlock(
  p: Scope,
  x: Tensor,
  positions: Tensor,
  { heads, feedForwardDim }: DecoderLayerOptions,
): Tensor {
  const query = g.add(x, positions);
  const attended = multiHeadAttention(p.in("self_attn"), { query, key: query, value: x }, heads);
  const y = layerNorm(p.in("norm1"), g.add(x, attended));
  return layerNorm(p.in("norm2"), g.add(y, feedForward(p, y, feedForwardDim)));
}

/** L_denoise: a 1x1 convolution of F_last [N,C,H/4,W/4] against the noise, or the image, at stride 4. */
function denoisingLoss(
  p: Scope,
  maskFeatures: Tensor,
  images: Tensor,
  noise: Tensor,
  kind: MethodOptions["denoiseTarget"],
): Tensor {
  const options = { kernel: 1, init: torchWeight, bias: zeros };
  const restored = conv2d(ownScope(p).in("denoise"), maskFeatures, 3, options);
  const wanted =
    kind === "image"
      ? areaAverage(images, images.shape[2] / restored.shape[2])
      : enlarged(noise, restored.shape.slice(2));
  return meanSquaredError(restored, wanted);
}

// ── Update ──

/** tau of theta_bar <- tau theta_bar + (1 - tau) theta, rising linearly over the run; `step` from 0. */
export function averageDecay(step: number, steps: number, { start, end }: { start: number; end: number }): number {
  return linearRamp(start, end, step, steps);
}

// ── Rows ──

/** Rows of [N * P, C] that the positions [N,K] of N images with P tokens each name: int64 [N * K]. */
export function tokenRows(positions: Tensor, tokens: number): Tensor {
  const [n, k] = positions.shape;
  const starts = BigInt64Array.from({ length: n }, (_, i) => BigInt(i * tokens));
  const offset = positions.graph.constant({ dtype: "int64", shape: [n, 1], data: starts });
  return g.reshape(n === 1 ? positions : g.add(positions, offset), [n * k]);
}

/** Tokens [N,P,C] at `rows`: [rows, C]. */
export function tokensAt(tokens: Tensor, rows: Tensor): Tensor {
  return g.gather(g.reshape(tokens, [-1, tokens.shape[2]]), rows);
}
