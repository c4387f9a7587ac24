/**
 * @file The losses of matched masks, wherever they are compared: the graph of pairs, and how the criterion asks for
 * them.
 */

import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";
import type { MaskComparison } from "../losses/mask-comparison.js";
import { diceLoss } from "../losses/mask-loss.js";
import type { LossWeights } from "../losses/matching-cost.js";
import type { DeviceTensor } from "../runtime/contract.js";
import { NonFiniteImage } from "../train/non-finite.js";
import type { PointDraws } from "./criterion-options.js";
import type { Pair } from "./pair-sampler.js";

/** The mask logits of an output, where their gradient goes, and the number of the output. */
export interface PredictedMasks {
  readonly masks: DeviceTensor<"float32">;
  readonly gradient: DeviceTensor<"float32">;
  readonly output: number;
}

/** Sums over pairs. */
export interface LossSums {
  mask: number;
  dice: number;
}

/** Mask and dice loss of pairs of queries and objects. */
export interface MaskLosses {
  /**
   * Sums of both losses over the pairs of an output. The gradient of their weighted sum over `normaliser` with respect
   * to the mask logits goes to `gradient`.
   * @throws NonFiniteImage
   */
  compute(predicted: PredictedMasks, pairs: readonly Pair[], normaliser: number, draws: PointDraws): Promise<LossSums>;
  dispose(): void;
}

/**
 * Adds to a graph the losses of M pairs, logits and labels [M, P], and an input `scale` = 1 / masks: outputs `mask` and
 * `dice` [M], and `gradient`, that of their weighted sum over the masks with respect to `differentiated`.
 */
export function pairLosses(
  graph: Graph,
  { logits, labels, differentiated }: { logits: Tensor; labels: Tensor; differentiated: Tensor },
  comparison: MaskComparison,
  weights: LossWeights,
): void {
  const scale = graph.input("scale", "float32", []);
  const mask = comparison.loss(logits, labels);
  const dice = diceLoss(logits, labels);
  const total = g.reduceSum(g.add(g.mul(mask, weights.mask), g.mul(dice, weights.dice)));
  const [gradient] = gradients(g.mul(total, scale), [differentiated]);
  graph.output("mask", mask);
  graph.output("dice", dice);
  graph.output("gradient", gradient);
}

/** Adds the losses of a pair. @throws NonFiniteImage */
export function addLosses(sums: LossSums, { mask, dice }: LossSums, image: number): void {
  if (!Number.isFinite(mask + dice)) throw new NonFiniteImage(image, `a mask loss is ${mask}`);
  sums.mask += mask;
  sums.dice += dice;
}
