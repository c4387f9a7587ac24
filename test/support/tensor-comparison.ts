/** @file Compares a tensor with its reference and says where and by how much it differs. */

import { type Shape, sizeOf } from "../../src/core/tensor-data.js";

type Values = ArrayLike<number | bigint>;

export interface Reference {
  readonly name: string;
  readonly shape: Shape;
  /** Every `stride`-th element of the tensor, row-major. */
  readonly values: Values;
  readonly stride?: number;
  /** What differences are measured against: by default the largest magnitude of `values`. */
  readonly scale?: number;
  /** How far each element of the whole tensor may be off before any of it counts; default nothing. */
  readonly slack?: ArrayLike<number>;
}

export interface Comparison {
  readonly name: string;
  readonly shape: Shape;
  /** Multi-index of the element that differs most; empty for a scalar. */
  readonly index: readonly number[];
  readonly maxDifference: number;
  /** Largest difference over the scale; infinite where a value is not finite. */
  readonly relative: number;
  /** Expected and found at the first stored elements and, last, at `index`. */
  readonly pairs: readonly (readonly [expected: number, found: number])[];
}

const SHOWN = 4;

/** Row-major multi-index of the flat position `at`. */
function unravel(at: number, shape: Shape): number[] {
  const index = new Array<number>(shape.length);
  let rest = at;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    index[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return index;
}

/** Compares `found`, the whole tensor, with what the reference keeps of it. Throws RangeError when sizes differ. */
export function compareTensors(found: Values, reference: Reference): Comparison {
  const { name, shape, values, stride = 1, slack } = reference;
  const size = sizeOf(shape);
  if (found.length !== size || values.length !== Math.ceil(size / stride)) {
    const sizes = `${found.length} found and ${values.length} stored values`;
    throw new RangeError(`${name}: expected ${size} values, every ${stride}. of them stored, found ${sizes}`);
  }
  let [worst, maxDifference, scale] = [0, -1, 0];
  for (let i = 0; i < values.length; i++) {
    const expected = Number(values[i]);
    const difference = Math.max(0, Math.abs(Number(found[i * stride]) - expected) - (slack?.[i * stride] ?? 0));
    scale = Math.max(scale, Math.abs(expected));
    // Not "difference > maxDifference": NaN has to win.
    if (!(difference <= maxDifference)) {
      [worst, maxDifference] = [i, difference];
      if (!Number.isFinite(difference)) break;
    }
  }
  const shown = [...Array.from({ length: Math.min(SHOWN, values.length) }, (_, i) => i), worst];
  return {
    name,
    shape,
    index: unravel(worst * stride, shape),
    maxDifference,
    relative:
      maxDifference === 0 ? 0 : Number.isFinite(maxDifference) ? maxDifference / (reference.scale ?? scale) : Infinity,
    pairs: shown.map((i) => [Number(values[i]), Number(found[i * stride])] as const),
  };
}

/** One paragraph for each comparison that exceeds `tolerance`, worst first; empty when none does. */
export function reportDifferences(comparisons: readonly Comparison[], tolerance: number): string {
  return comparisons
    .filter(({ relative }) => !(relative <= tolerance))
    .sort((a, b) => b.relative - a.relative)
    .map(({ name, shape, index, maxDifference, relative, pairs }) => {
      const shown = pairs.map(([expected, found]) => `${expected} / ${found}`);
      return (
        `${name} [${shape}]: differs by ${maxDifference.toExponential(2)} at [${index}], ` +
        `${relative.toExponential(2)} of its scale (allowed ${tolerance})\n` +
        `  expected / found: first ${shown.slice(0, -1).join(", ")}; worst ${shown.at(-1)}`
      );
    })
    .join("\n");
}
