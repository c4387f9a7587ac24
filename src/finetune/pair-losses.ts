/** @file The losses of masks and their objects, wherever they are compared: the graph of some pairs, and its runs. */

import type { Shape } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import type { Graph, Tensor } from "../graph/graph.js";
import type { MaskComparison } from "../losses/mask-comparison.js";
import { diceLoss } from "../losses/mask-loss.js";
import type { LossWeights } from "../losses/matching-cost.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { NonFiniteImage } from "../train/non-finite.js";
import type { PointDraws } from "./criterion-options.js";
import { hostMemory, hostValues, upload } from "./host-memory.js";
import type { Pair, PairMemory } from "./pair-sampler.js";

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

type Floats = DeviceTensor<"float32">;

/** Runs of a graph with `pairLosses`, as many pairs at once as its tensors have rows. */
export class PairRuns {
  private readonly scale: Floats;
  private readonly mask: Floats;
  private readonly dice: Floats;
  private readonly gradient: Floats;
  private readonly logits: Floats;
  private readonly labels: Floats;

  constructor(
    runtime: Runtime,
    private readonly program: Program,
    /** Shapes of its inputs; the gradient is as large as the logits. */
    { logits, labels }: { readonly logits: Shape; readonly labels: Shape },
  ) {
    const allocate = (shape: Shape) => runtime.allocate("float32", shape);
    this.logits = allocate(logits);
    this.labels = allocate(labels);
    this.scale = allocate([]);
    this.mask = allocate(logits.slice(0, 1));
    this.dice = allocate(logits.slice(0, 1));
    this.gradient = allocate(logits);
  }

  /**
   * Sums of both losses. `fill` puts some pairs together; `take` gets each of these, its number among them and the
   * gradients of all of their logits, of the losses over `normaliser`.
   * @throws NonFiniteImage
   */
  async compute(
    pairs: readonly Pair[],
    normaliser: number,
    fill: (pairs: readonly Pair[], memory: PairMemory) => void,
    take: (pair: Pair, i: number, gradients: Float32Array) => void,
  ): Promise<LossSums> {
    const { logits, labels, scale, mask, dice, gradient } = this;
    await scale.write({ dtype: "float32", shape: [], data: Float32Array.of(1 / normaliser) });
    const [most] = logits.shape;
    const sums = { mask: 0, dice: 0 };
    for (let start = 0; start < pairs.length; start += most) {
      const chunk = pairs.slice(start, start + most);
      const memory = { logits: hostMemory(logits), labels: hostMemory(labels) };
      fill(chunk, memory);
      await upload(logits, memory.logits);
      await upload(labels, memory.labels);
      await this.program.run({ logits, labels, scale }, { mask, dice, gradient });
      const [ofMask, ofDice, gradients] = await Promise.all([mask, dice, gradient].map(hostValues));
      chunk.forEach((pair, i) => {
        if (!Number.isFinite(ofMask[i] + ofDice[i])) {
          throw new NonFiniteImage(pair.image, `a mask loss is ${ofMask[i]}`);
        }
        sums.mask += ofMask[i];
        sums.dice += ofDice[i];
        take(pair, i, gradients);
      });
    }
    return sums;
  }

  dispose(): void {
    for (const tensor of [this.logits, this.labels, this.scale, this.mask, this.dice, this.gradient]) tensor.dispose();
  }
}
