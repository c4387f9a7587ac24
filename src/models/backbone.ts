/** @file The backbones, of which a model has one: ResNet or Swin Transformer. */

import type { Tensor } from "../graph/graph.js";
import type { Scope } from "../nn/scope.js";
import type { Pyramid } from "./pyramid.js";
import { type ResNetOptions, resnet } from "./resnet.js";
import { type SwinOptions, swin, swinChannels } from "./swin.js";

export type { Pyramid } from "./pyramid.js";

export type BackboneOptions = ({ kind: "resnet50" } & ResNetOptions) | ({ kind: "swin" } & SwinOptions);

/** images [N,3,H,W], H and W divisible by 32 for a ResNet -> maps at strides 4, 8, 16, 32. */
export function backbone(p: Scope, images: Tensor, options: BackboneOptions): Pyramid {
  return options.kind === "swin" ? swin(p, images, options) : resnet(p, images, options);
}

/** Channels of its four maps. */
export const backboneChannels = (options: BackboneOptions): readonly number[] =>
  options.kind === "swin" ? swinChannels(options) : options.stageChannels;

/** The same backbone in use: running statistics in place of a batch's, nothing dropped, nothing computed again. */
export function backboneForInference(options: BackboneOptions): BackboneOptions {
  return options.kind === "swin"
    ? { ...options, dropPath: 0, keep: undefined, recomputeBlocks: false }
    : { ...options, norm: options.norm === "batch" ? "frozen" : options.norm, recomputeBlocks: false };
}
