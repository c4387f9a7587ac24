/**
 * @file Mask and dice loss of pairs of queries and objects at every pixel of the network's input, and their gradient.
 */

import * as g from "../graph/build.js";
import { Graph } from "../graph/graph.js";
import { resizeBilinear } from "../nn/layers.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import type { CriterionFrame, CriterionOptions } from "./criterion-options.js";
import { hostMemory, hostValues, upload } from "./host-memory.js";
import { addLosses, type LossSums, type MaskLosses, type PredictedMasks, pairLosses } from "./pair-losses.js";
import type { Pair } from "./pair-sampler.js";

/** Pairs whose losses one run computes: maps of 1024 x 1024 pixels are 4 MB each, several times over. */
export const PAIRS = 4;

/**
 * Mask logits [PAIRS, h, w], made as large as the input, and labels [PAIRS, H, W], scale = 1 / masks -> as
 * `pairLosses`.
 */
export function buildPixelLosses({ size, maskSize, comparison }: CriterionFrame, { weights }: CriterionOptions): Graph {
  const graph = new Graph("mask loss");
  const masks = graph.input("logits", "float32", [PAIRS, ...maskSize]);
  const labels = graph.input("labels", "float32", [PAIRS, ...size]);
  const flat = (maps: typeof masks) => g.reshape(maps, [PAIRS, size[0] * size[1]]);
  const logits = flat(resizeBilinear(masks, size));
  pairLosses(graph, { logits, labels: flat(labels), differentiated: masks }, comparison, weights);
  return graph;
}

type Floats = DeviceTensor<"float32">;

/** Losses of pairs whose masks are compared at pixels. */
export class PixelLosses implements MaskLosses {
  private readonly logits: Floats;
  private readonly labels: Floats;
  private readonly scale: Floats;
  private readonly mask: Floats;
  private readonly dice: Floats;
  private readonly gradient: Floats;

  constructor(
    runtime: Runtime,
    private readonly program: Program,
    { size, maskSize }: CriterionFrame,
  ) {
    const allocate = (...dims: number[]) => runtime.allocate("float32", dims);
    this.logits = allocate(PAIRS, ...maskSize);
    this.labels = allocate(PAIRS, ...size);
    this.scale = allocate();
    this.mask = allocate(PAIRS);
    this.dice = allocate(PAIRS);
    this.gradient = allocate(PAIRS, ...maskSize);
  }

  async compute(
    { masks, gradient: out }: PredictedMasks,
    pairs: readonly Pair[],
    normaliser: number,
  ): Promise<LossSums> {
    await this.scale.write({ dtype: "float32", shape: [], data: Float32Array.of(1 / normaliser) });
    const { logits, labels, scale, mask, dice } = this;
    const values = await hostValues(masks);
    const gradient = hostMemory(out).fill(0);
    const [, height, width] = logits.shape;
    const area = height * width;
    const sums = { mask: 0, dice: 0 };
    for (let start = 0; start < pairs.length; start += PAIRS) {
      const chunk = pairs.slice(start, start + PAIRS);
      const [ofQueries, ofObjects] = [hostMemory(logits), hostMemory(labels)];
      chunk.forEach(({ row, mask }, i) => {
        ofQueries.set(values.subarray(row * area, (row + 1) * area), i * area);
        ofObjects.set(mask, i * mask.length);
      });
      await upload(logits, ofQueries);
      await upload(labels, ofObjects);
      await this.program.run({ logits, labels, scale }, { mask, dice, gradient: this.gradient });
      const [ofMask, ofDice, ofLogits] = await Promise.all([mask, dice, this.gradient].map(hostValues));
      chunk.forEach(({ image, row }, i) => {
        addLosses(sums, { mask: ofMask[i], dice: ofDice[i] }, image);
        gradient.set(ofLogits.subarray(i * area, (i + 1) * area), row * area);
      });
    }
    await upload(out, gradient);
    return sums;
  }

  dispose(): void {
    for (const tensor of [this.logits, this.labels, this.scale, this.mask, this.dice, this.gradient]) tensor.dispose();
  }
}
