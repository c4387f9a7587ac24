/** @file What a gradient rule is. */

import type { Tensor } from "../graph.js";

export interface Step<Attributes> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attributes: Attributes;
  /** Gradient of the first output. */
  readonly dy: Tensor;
}

/**
 * One entry an input: a function that builds its gradient (called only when somebody needs it), or null where none
 * flows. A gradient may still have the broadcast shape: the reverse walk sums it to the shape of the input.
 */
export type GradientRule<Attributes> = (step: Step<Attributes>) => readonly ((() => Tensor) | null)[];

/** The operator stands only in gradients: differentiating it is a bug of the caller. */
export const ONLY_IN_GRADIENTS = "only in gradients";
