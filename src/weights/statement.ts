/** @file What is said of a model besides its tensors, and who says so. */

import type { SegmentationClass, Task } from "../masks/segmentation.js";
import type { ConvNormMode } from "../nn/layers.js";
import type { CriterionFacts, InferenceSettings } from "./model-description.js";

/**
 * What one source says: a file beside the weights, a list of classes, the name of a place, the defaults of a family.
 */
export interface Statement {
  /** Who says it, e.g. "config.json". */
  readonly from: string;
  readonly task?: Task;
  /** Names in the order of the logits. */
  readonly names?: readonly string[];
  readonly classes?: readonly SegmentationClass[];
  /** The data set that it was made for, in words that begin with the name, e.g. "coco_2017_val_panoptic". */
  readonly dataset?: string;
  readonly heads?: number;
  readonly normGroups?: number;
  readonly dropPath?: number;
  /** Of a ResNet. */
  readonly backboneNorm?: ConvNormMode;
  readonly shortEdge?: number;
  readonly longEdge?: number;
  readonly window?: number;
  readonly objectThreshold?: number;
  readonly overlapThreshold?: number;
  readonly topK?: number;
  readonly criterion?: CriterionFacts;
  readonly whiteLevel?: number;
}

/** All that inference needs, in the words of the last source. */
export type Defaults = Omit<Statement, "from"> & { readonly task: Task } & Required<
    Pick<Statement, "heads" | "normGroups" | "dropPath">
  > &
  Required<InferenceSettings>;

/** Several sources, the first of which is believed most and the last is the defaults, and what was taken from which. */
export class Statements {
  private readonly taken = new Map<string, string[]>();
  /** What only the last source said, or nobody. */
  readonly assumed = new Set<keyof Statement>();

  constructor(private readonly sources: readonly Statement[]) {}

  /** What the first source says that says anything; `text` is how that is told to a person. */
  ask<K extends Exclude<keyof Statement, "from">>(
    key: K,
    text?: (value: NonNullable<Statement[K]>) => string,
  ): Statement[K] {
    const source = this.sources.find((statement) => statement[key] !== undefined);
    if (source === undefined || source === this.sources.at(-1)) this.assumed.add(key);
    if (source && text) this.note(source.from, text(source[key] as NonNullable<Statement[K]>));
    return source?.[key];
  }

  /** Notes a fact for `described`. */
  note(from: string, text: string): void {
    this.taken.set(from, [...(this.taken.get(from) ?? []), text]);
  }

  /** A line a source. */
  get described(): string[] {
    return [...this.taken].map(([from, texts]) => `by ${from}: ${texts.join(", ")}`);
  }
}
