/** @file Shapes of tensors by their canonical names, from which the sizes of a model are read. */

import { InputError } from "../core/errors.js";
import type { Shape } from "../core/tensor-data.js";

export class Shapes {
  constructor(
    private readonly shapes: ReadonlyMap<string, Shape>,
    /** Where they come from, for messages. */
    readonly source: string,
    /** What has all the names that are asked for, for messages, e.g. "a whole model for Hugging Face". */
    private readonly whole: string,
  ) {}

  /** @throws InputError when there is none of that name, or it has another number of axes */
  of(name: string, axes?: number): Shape {
    const shape = this.shapes.get(name);
    if (shape && (axes === undefined || shape.length === axes)) return shape;
    const found = shape ? `one of the shape [${shape}]` : "none";
    throw new InputError({ where: this.source, expected: `${this.whole}, with ${name}`, found });
  }

  has(name: string): boolean {
    return this.shapes.has(name);
  }

  /** How many consecutive names `nameOf(0)`, `nameOf(1)`, ... there are. */
  count(nameOf: (i: number) => string): number {
    let n = 0;
    while (this.shapes.has(nameOf(n))) n++;
    return n;
  }
}
