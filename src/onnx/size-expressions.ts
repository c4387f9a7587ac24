/** @file Whole numbers that depend on the sizes of a model's input, fitted to samples and computed in the model. */

import type { NodeBuilder } from "./node-builder.js";

/**
 * Coefficients of the products of sizes: entry m is that of the product of the sizes whose bits are set in m, entry 0
 * the constant.
 */
export type Polynomial = readonly number[];

/** Sizes at which a graph was built: all corners of a box, size v low or high as bit v says, then further points. */
export type Points = readonly (readonly number[])[];

/** The points of a box and further ones, at which what was fitted to the corners is checked. */
export function pointsOf(ranges: readonly (readonly [low: number, high: number])[], further: Points): Points {
  const corners = Array.from({ length: 2 ** ranges.length }, (_, m) => ranges.map((range, v) => range[(m >> v) & 1]));
  return [...corners, ...further];
}

/** Coefficients of many numbers: by the product, those of each number. */
export type Polynomials = readonly Float64Array[];

const productOf = (sizes: readonly number[], m: number) =>
  sizes.reduce((product, size, v) => ((m >> v) & 1 ? product * size : product), 1);

/**
 * The sums of whole multiples of products of sizes that have these values at the points (`values[p]`: the numbers at
 * point p); undefined if there are none.
 */
export function fitted(points: Points, values: readonly ArrayLike<number>[]): Polynomials | undefined {
  const count = 2 ** points[0].length;
  const c = values.slice(0, count).map((list) => Float64Array.from(list));
  for (let v = 0; 2 ** v < count; v++) {
    const [low, high] = [points[0][v], points[2 ** v][v]];
    for (let m = 0; m < count; m++) {
      if (!((m >> v) & 1)) continue;
      const [above, below] = [c[m], c[m ^ (1 << v)]];
      for (let i = 0; i < above.length; i++) {
        above[i] = (above[i] - below[i]) / (high - low);
        below[i] -= low * above[i];
      }
    }
  }
  const agrees = (p: number) => {
    const products = c.map((_, m) => productOf(points[p], m));
    for (let i = 0; i < values[p].length; i++) {
      let sum = 0;
      for (let m = 0; m < count; m++) sum += c[m][i] * products[m];
      if (sum !== values[p][i]) return false;
    }
    return true;
  };
  const isWhole = c.every((factors) => factors.every(Number.isInteger));
  return isWhole && points.every((_, p) => agrees(p)) ? c : undefined;
}

const isConstant = (polynomial: Polynomial): boolean => polynomial.slice(1).every((c) => c === 0);

/** Writes numbers that depend on sizes, which are int64 lists of one in the model. */
export class SizeExpressions {
  constructor(
    readonly builder: NodeBuilder,
    private readonly sizes: readonly string[],
    readonly points: Points,
  ) {}

  fit(values: readonly number[]): Polynomial | undefined {
    return fitted(
      this.points,
      values.map((value) => [value]),
    )?.map(([factor]) => factor);
  }

  /** A product of sizes. */
  product(m: number): string {
    const [first, ...rest] = this.sizes.filter((_, v) => (m >> v) & 1);
    return rest.reduce((a, b) => this.builder.op("Mul", [a, b]), first);
  }

  /** A number, an int64 list of one. */
  integer([constant, ...factors]: Polynomial): string {
    const { builder } = this;
    const terms = factors.flatMap((factor, i) => {
      if (factor === 0) return [];
      const product = this.product(i + 1);
      return factor === 1 ? product : builder.op("Mul", [product, builder.ints(factor)]);
    });
    if (constant !== 0 || terms.length === 0) terms.push(builder.ints(constant));
    return terms.reduce((a, b) => builder.op("Add", [a, b]));
  }

  /** Several numbers, an int64 list. */
  integers(polynomials: readonly Polynomial[]): string {
    const parts: string[] = [];
    let known: number[] = [];
    const flush = () => {
      if (known.length > 0) parts.push(this.builder.ints(...known));
      known = [];
    };
    for (const polynomial of polynomials) {
      if (isConstant(polynomial)) {
        known.push(polynomial[0]);
        continue;
      }
      flush();
      parts.push(this.integer(polynomial));
    }
    flush();
    return this.builder.concat(parts, 0);
  }

  /** Several numbers in few nodes: the sum of each product of sizes times the list of its coefficients. */
  vector(polynomials: Polynomials): string {
    const { builder } = this;
    const terms = polynomials.flatMap((factors, m) => {
      if (m === 0) return builder.literals.integers(factors);
      if (factors.every((factor) => factor === 0)) return [];
      const equal = factors.every((factor) => factor === factors[0]);
      return builder.op("Mul", [
        equal ? builder.ints(factors[0]) : builder.literals.integers(factors),
        this.product(m),
      ]);
    });
    return terms.reduce((a, b) => builder.op("Add", [a, b]));
  }
}
