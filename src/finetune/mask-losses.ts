/** @file Mask and dice loss of the pairs of queries and objects at chosen points, and their gradient (reference, 4.5). */

import * as g from "../graph/build.js";
import { gradients } from "../graph/differentiate.js";
import { Graph } from "../graph/graph.js";
import { diceLoss, sigmoidCrossEntropy } from "../losses/mask-loss.js";
import { type BorderedMap, borderedMap, readBordered, scatterBordered } from "../losses/points.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { NonFiniteImage } from "../train/non-finite.js";
import type { CriterionOptions, CriterionShape, PointDraws } from "./criterion-options.js";
import { hostMemory, hostValues, upload } from "./host-memory.js";
import { type Pair, PairSampler } from "./pair-sampler.js";

/** Pairs whose losses one run computes. */
export const PAIRS = 16;

/** Logits and labels [PAIRS, P], scale = 1 / masks -> bce and dice [PAIRS], and the gradient of their weighted sum. */
export function buildMaskLoss({ points, weights }: CriterionOptions): Graph {
  const graph = new Graph("mask loss");
  const logits = graph.input("logits", "float32", [PAIRS, points]);
  const labels = graph.input("labels", "float32", [PAIRS, points]);
  const scale = graph.input("scale", "float32", []);
  const bce = sigmoidCrossEntropy(logits, labels);
  const dice = diceLoss(logits, labels);
  const total = g.reduceSum(g.add(g.mul(bce, weights.mask), g.mul(dice, weights.dice)));
  const [gradient] = gradients(g.mul(total, scale), [logits]);
  graph.output("bce", bce);
  graph.output("dice", dice);
  graph.output("gradient", gradient);
  return graph;
}

type Floats = DeviceTensor<"float32">;

export class MaskLosses {
  private readonly logits: Floats;
  private readonly labels: Floats;
  private readonly scale: Floats;
  private readonly bce: Floats;
  private readonly dice: Floats;
  private readonly gradient: Floats;
  private readonly sampler: PairSampler;
  private readonly map: BorderedMap;
  /** Rows of each gradient of mask logits that the last step wrote to. */
  private readonly dirty = new Map<Floats, Set<number>>();

  constructor(
    runtime: Runtime,
    private readonly program: Program,
    shape: CriterionShape,
    private readonly options: CriterionOptions,
  ) {
    const allocate = (...dims: number[]) => runtime.allocate("float32", dims);
    const { points } = options;
    this.logits = allocate(PAIRS, points);
    this.labels = allocate(PAIRS, points);
    this.scale = allocate();
    this.bce = allocate(PAIRS);
    this.dice = allocate(PAIRS);
    this.gradient = allocate(PAIRS, points);
    this.sampler = new PairSampler(shape, options, PAIRS);
    this.map = borderedMap(shape.maskSize[1], shape.maskSize[0]);
  }

  /**
   * Sums of both losses over the pairs of output number `output`. The gradient of their weighted sum over `normaliser` with
   * respect to the mask logits `masks` goes to `gradient`.
   * @throws NonFiniteImage
   */
  async compute(
    { masks, gradient: out, output }: { masks: Floats; gradient: Floats; output: number },
    pairs: readonly Pair[],
    normaliser: number,
    draws: PointDraws,
  ): Promise<{ bce: number; dice: number }> {
    await this.scale.write({ dtype: "float32", shape: [], data: Float32Array.of(1 / normaliser) });
    const values = await hostValues(masks);
    const gradient = out.data ?? new Float32Array(values.length);
    const dirty = this.cleaned(out, gradient);
    const { logits, labels, scale, bce, dice } = this;
    const sums = { bce: 0, dice: 0 };
    for (let start = 0; start < pairs.length; start += PAIRS) {
      const chunk = pairs.slice(start, start + PAIRS);
      const sampled = { logits: hostMemory(logits), labels: hostMemory(labels) };
      this.sampler.sample(output, chunk, values, draws, sampled);
      await upload(logits, sampled.logits);
      await upload(labels, sampled.labels);
      await this.program.run({ logits, labels, scale }, { bce, dice, gradient: this.gradient });
      const [ofBce, ofDice, ofLogits] = await Promise.all([bce, dice, this.gradient].map(hostValues));
      chunk.forEach(({ image, row }, i) => {
        if (!Number.isFinite(ofBce[i] + ofDice[i])) throw new NonFiniteImage(image, `a mask loss is ${ofBce[i]}`);
        sums.bce += ofBce[i];
        sums.dice += ofDice[i];
        this.spread(i, ofLogits, gradient, row);
        dirty.add(row);
      });
    }
    await upload(out, gradient);
    return sums;
  }

  dispose(): void {
    for (const tensor of [this.logits, this.labels, this.scale, this.bce, this.dice, this.gradient]) tensor.dispose();
  }

  /** Clears what the last step wrote of a gradient; the rows that this one writes are to be added to the result. */
  private cleaned(tensor: Floats, gradient: Float32Array): Set<number> {
    const area = this.map.width * this.map.height;
    const dirty = this.dirty.get(tensor) ?? new Set<number>();
    for (const row of dirty) gradient.fill(0, row * area, (row + 1) * area);
    dirty.clear();
    this.dirty.set(tensor, dirty);
    return dirty;
  }

  /** Writes the gradient of the i-th pair's logits over the map of mask logits that they were sampled from. */
  private spread(i: number, ofLogits: Float32Array, gradient: Float32Array, row: number): void {
    const { points } = this.options;
    this.map.data.fill(0);
    scatterBordered(this.map, this.sampler.points[i], points, ofLogits, i * points);
    readBordered(this.map, gradient, row * this.map.width * this.map.height);
  }
}
