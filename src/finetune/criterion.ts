/**
 * @file The criterion between the forward and the backward half of a step (SetCriterion in the criterion.py of
 * Mask2Former and MP-Former): which objects each output is compared with, and which losses are taken of it.
 */

import { type GivenObjects, NO_OBJECT, UNSUPERVISED } from "../families/training.js";
import type { Assignment } from "../losses/assignment.js";
import type { Target } from "../masks/segmentation.js";
import { compileGraph } from "../runtime/compile-graph.js";
import type { DeviceTensor, Program, Runtime } from "../runtime/contract.js";
import { buildClassLoss, ClassLosses } from "./class-losses.js";
import type { CriterionFrame, CriterionOptions, Normalisers, PointDraws } from "./criterion-options.js";
import { buildMatching, Matcher } from "./matcher.js";
import type { LossSums, MaskLosses } from "./pair-losses.js";
import type { Pair } from "./pair-sampler.js";
import { buildPixelLosses, PixelLosses } from "./pixel-losses.js";
import { buildPointLosses, PointLosses } from "./point-losses.js";

type Floats = DeviceTensor<"float32">;

/** A supervised output in memory: what was predicted, and where the gradients of the losses go. */
export interface SupervisedOutput {
  /** Name of its group of predictions. */
  readonly group: string;
  readonly objects: "matched" | "given";
  /** What follows the names of its losses, e.g. "" or "_3". */
  readonly suffix: string;
  readonly logits: Floats;
  readonly masks: Floats;
  readonly logitsGradient: Floats;
  readonly masksGradient: Floats;
}

/** What the images of a micro-batch are to be segmented into. */
export interface Supervision {
  readonly objects: readonly (readonly Target[])[];
  /** By the names of the groups whose objects are given. */
  readonly given: ReadonlyMap<string, Pick<GivenObjects, "queries">>;
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

const MASK_LOSSES = { points: buildPointLosses, pixels: buildPixelLosses };

/** The graphs of a criterion over outputs with so many queries each. */
export function criterionGraphs(frame: CriterionFrame, outputs: readonly number[], options: CriterionOptions) {
  return {
    matching: buildMatching(frame, options),
    maskLoss: MASK_LOSSES[frame.comparison.at](frame, options),
    classLoss: buildClassLoss(frame, outputs, options),
  };
}

/** Compiles `criterionGraphs`. */
export async function compileCriterion(
  runtime: Runtime,
  frame: CriterionFrame,
  outputs: readonly number[],
  options: CriterionOptions,
): Promise<CriterionPrograms> {
  const { matching, maskLoss, classLoss } = criterionGraphs(frame, outputs, options);
  const compile = (graph: typeof matching) => compileGraph(runtime, graph);
  return { matching: await compile(matching), maskLoss: await compile(maskLoss), classLoss: await compile(classLoss) };
}

/** What the queries of each image are to predict: numbers of its objects, NO_OBJECT or UNSUPERVISED. */
type Assigned = readonly Int32Array[];

/** One micro-batch's criterion with buffers of its own; several work at once. */
export class Criterion {
  private readonly matcher: Matcher;
  private readonly maskLosses: MaskLosses;
  private readonly classLosses: ClassLosses;

  constructor(
    runtime: Runtime,
    programs: CriterionPrograms,
    private readonly frame: CriterionFrame,
    private readonly outputs: readonly SupervisedOutput[],
    options: CriterionOptions,
  ) {
    this.matcher = new Matcher(runtime, programs.matching, frame, options);
    this.maskLosses =
      frame.comparison.at === "points"
        ? new PointLosses(runtime, programs.maskLoss, frame, options)
        : new PixelLosses(runtime, programs.maskLoss, frame);
    const queries = outputs.map(({ logits }) => logits.shape[1]);
    this.classLosses = new ClassLosses(runtime, programs.classLoss, frame, queries, options);
  }

  /**
   * Losses of a micro-batch with these objects of each image; leaves the gradients of their weighted sum in the
   * outputs. `normalisers`: by the names of the groups.
   * @throws NonFiniteImage
   */
  async run(
    supervision: Supervision,
    normalisers: ReadonlyMap<string, Normalisers>,
    draws: PointDraws,
  ): Promise<OutputLosses[]> {
    const { objects } = supervision;
    const divisors = this.outputs.map(({ group }) => entryOf(normalisers, group));
    const sums: LossSums[] = [];
    for (const [i, output] of this.outputs.entries()) {
      const assigned = await this.assign(i, output, supervision, draws);
      await this.classLosses.expect(i, this.classesOf(assigned, objects), divisors[i].classWeights);
      const predicted = { masks: output.masks, gradient: output.masksGradient, output: i };
      sums.push(await this.maskLosses.compute(predicted, pairsOf(assigned, objects), divisors[i].masks, draws));
    }
    const classes = await this.classLosses.compute(
      this.outputs.map(({ logits, logitsGradient: gradient }) => ({ logits, gradient })),
    );
    return this.outputs.map(({ suffix }, i) => ({
      suffix,
      class: classes[i],
      mask: sums[i].mask / divisors[i].masks,
      dice: sums[i].dice / divisors[i].masks,
    }));
  }

  dispose(): void {
    for (const part of [this.matcher, this.maskLosses, this.classLosses]) part.dispose();
  }

  private async assign(
    i: number,
    output: SupervisedOutput,
    { objects, given }: Supervision,
    draws: PointDraws,
  ): Promise<Assigned> {
    if (output.objects === "given") return entryOf(given, output.group).queries;
    const assignments = await this.matcher.match(output, objects, (image, out) => draws.matching(i, image, out));
    return assignments.map((assignment) => byQuery(assignment, this.frame.queries));
  }

  /** The class that each query of each image should have. */
  private classesOf(assigned: Assigned, targets: readonly (readonly Target[])[]): Int32Array[] {
    const { classes } = this.frame;
    return assigned.map((numbers, image) =>
      numbers.map((number) =>
        number >= 0 ? targets[image][number].label : number === NO_OBJECT ? classes : UNSUPERVISED,
      ),
    );
  }
}

function entryOf<T>(map: ReadonlyMap<string, T>, group: string): T {
  const entry = map.get(group);
  if (!entry) throw new RangeError(`criterion: nothing for the group of predictions "${group}"`);
  return entry;
}

function byQuery({ queries, objects }: Assignment, count: number): Int32Array {
  const numbers = new Int32Array(count).fill(NO_OBJECT);
  queries.forEach((query, i) => {
    numbers[query] = objects[i];
  });
  return numbers;
}

function pairsOf(assigned: Assigned, targets: readonly (readonly Target[])[]): Pair[] {
  return assigned.flatMap((numbers, image) =>
    [...numbers.entries()]
      .filter(([, number]) => number >= 0)
      .map(([query, number], pair) => ({
        image,
        pair,
        row: image * numbers.length + query,
        mask: targets[image][number].mask,
      })),
  );
}
