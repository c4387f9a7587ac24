/** @file Dropout (Srivastava et al. 2014) as a product with factors that come from outside the graph. */

import type { Shape } from "../core/tensor-data.js";
import * as g from "../graph/build.js";
import type { Tensor } from "../graph/graph.js";

/** What is dropped of the values at a place: factors that are 0, or 1 / (1 - rate) for what stays. */
export class Dropout {
  /** @param factors of each place that is named, each once; by default nothing is dropped */
  constructor(
    private readonly factors?: (place: string, shape: Shape) => Tensor,
    private readonly prefix = "",
  ) {}

  /** Places whose names begin with `path`. */
  in(...path: (string | number)[]): Dropout {
    return new Dropout(this.factors, `${this.prefix}${path.join(" ")} `);
  }

  /** x as it is after dropping. */
  apply(x: Tensor, place: string): Tensor {
    const factors = this.at(place);
    return factors ? g.mul(x, factors(x.shape)) : x;
  }

  /** The factors of a place for a shape that is known later; undefined where nothing is dropped. */
  at(place: string): ((shape: Shape) => Tensor) | undefined {
    const { factors } = this;
    return factors && ((shape) => factors(this.prefix + place, shape));
  }
}

export const NO_DROPOUT = new Dropout();
