/**
 * @file Mask2Former's criterion (SetCriterion; mask-classification reference, 4), between the forward and the backward half of a
 * step: which objects each output is compared with, and which losses are taken of it.
 */

import type { Target } from "../data/targets.js";
import type { Assignment } from "../losses/assignment.js";
import { toOnnx } from "../onnx/emit.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { buildClassLoss, ClassLosses } from "./class-losses.js";
import type { CriterionOptions, CriterionShape, Normalisers, PointDraws } from "./criterion-options.js";
import { buildMaskLoss, MaskLosses } from "./mask-losses.js";
import { buildMatching, Matcher } from "./matcher.js";
import type { Pair } from "./pair-sampler.js";

type Floats = DeviceTensor<"float32">;

/** A supervised output in memory: what was predicted, and where the gradients of the losses go. */
export interface SupervisedOutput {
  /** What follows the names of its losses, e.g. "" or "_3". */
  readonly suffix: string;
  readonly logits: Floats;
  readonly masks: Floats;
  readonly logitsGradient: Floats;
  readonly masksGradient: Floats;
}

/** Unweighted losses of one output over the normalisers of the batch. */
export interface OutputLosses {
  readonly suffix: string;
  readonly class: number;
  readonly mask: number;
  readonly dice: number;
}

/** Compiled once, shared by all lanes. */
export interface CriterionPrograms {
  readonly matching: Program;
  readonly maskLoss: Program;
  readonly classLoss: Program;
}

export async function compileCriterion(
  runtime: Runtime,
  shape: CriterionShape,
  outputs: number,
  options: CriterionOptions,
): Promise<CriterionPrograms> {
  const [matching, maskLoss, classLoss] = await Promise.all(
    [buildMatching(shape, options), buildMaskLoss(options), buildClassLoss(shape, outputs, options)].map((graph) =>
      runtime.compile(toOnnx(graph), { name: graph.name }),
    ),
  );
  return { matching, maskLoss, classLoss };
}

/** One micro-batch's criterion with buffers of its own; several work at once. */
export class Criterion {
  private readonly matcher: Matcher;
  private readonly maskLosses: MaskLosses;
  private readonly classLosses: ClassLosses;

  constructor(
    runtime: Runtime,
    programs: CriterionPrograms,
    private readonly shape: CriterionShape,
    private readonly outputs: readonly SupervisedOutput[],
    options: CriterionOptions,
  ) {
    this.matcher = new Matcher(runtime, programs.matching, shape, options);
    this.maskLosses = new MaskLosses(runtime, programs.maskLoss, shape, options);
    this.classLosses = new ClassLosses(runtime, programs.classLoss, shape, outputs.length, options);
  }

  /**
   * Losses of a micro-batch with these objects of each image; leaves the gradients of their weighted sum in the outputs.
   * @throws NonFiniteImage
   */
  async run(
    targets: readonly (readonly Target[])[],
    normalisers: Normalisers,
    draws: PointDraws,
  ): Promise<OutputLosses[]> {
    const sums: { bce: number; dice: number }[] = [];
    for (const [i, output] of this.outputs.entries()) {
      const assignments = await this.matcher.match(output, targets, (image, out) => draws.matching(i, image, out));
      await this.classLosses.expect(i, this.classesOf(assignments, targets), normalisers.classWeights);
      const predicted = { masks: output.masks, gradient: output.masksGradient, output: i };
      const pairs = this.pairsOf(assignments, targets);
      sums.push(await this.maskLosses.compute(predicted, pairs, normalisers.masks, draws));
    }
    const classes = await this.classLosses.compute(
      this.outputs.map(({ logits, logitsGradient: gradient }) => ({ logits, gradient })),
    );
    return this.outputs.map(({ suffix }, i) => ({
      suffix,
      class: classes[i],
      mask: sums[i].bce / normalisers.masks,
      dice: sums[i].dice / normalisers.masks,
    }));
  }

  dispose(): void {
    for (const part of [this.matcher, this.maskLosses, this.classLosses]) part.dispose();
  }

  /** The class that each query of each image should have. */
  private classesOf(assignments: readonly Assignment[], targets: readonly (readonly Target[])[]): number[][] {
    return assignments.map(({ queries, objects }, image) => {
      const classes = new Array<number>(this.shape.queries).fill(this.shape.classes);
      queries.forEach((query, i) => {
        classes[query] = targets[image][objects[i]].label;
      });
      return classes;
    });
  }

  private pairsOf(assignments: readonly Assignment[], targets: readonly (readonly Target[])[]): Pair[] {
    return assignments.flatMap(({ queries, objects }, image) =>
      queries.map((query, pair) => ({
        image,
        pair,
        row: image * this.shape.queries + query,
        mask: targets[image][objects[pair]].mask,
      })),
    );
  }
}
