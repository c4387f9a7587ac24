/** @file Which operators have no gradient, written down so that "zero" and "forgotten" cannot be confused. */

import type { OpName } from "../../src/graph/operators.js";

/** Operators that pass no gradient to any input, and why. */
export const WITHOUT_GRADIENT: { readonly [K in OpName]?: string } = {
  Floor: "piecewise constant",
  Greater: "a truth value",
  Less: "a truth value",
  Equal: "a truth value",
  Cast: "used between whole numbers, truth values and floats only: piecewise constant",
  ConvTranspose: "stands only in the gradient of Conv",
};
