/** @file Golden cases: results of the authors' PyTorch code, and the filled tensors that they were computed from. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSafetensors } from "../../src/checkpoint/safetensors.js";
import type { Shape, TensorData, TypedArray } from "../../src/core/tensor-data.js";
import { type Comparison, compareTensors, type Reference } from "../support/tensor-comparison.js";
import { fill } from "./fill.js";

const FIXTURES = fileURLToPath(new URL("../fixtures/golden/", import.meta.url));

/** A tensor of a case that is made from its name or, where it has no amplitude, from `values`. */
interface Entry {
  readonly name: string;
  readonly shape: Shape;
  readonly base: number;
  readonly amp: number;
  readonly values?: unknown;
  /** A counter of PyTorch that no result depends on. */
  readonly computed?: boolean;
}

/** A stored result; the sums are over the whole tensor. */
export interface Result {
  readonly name: string;
  readonly dtype: "f32" | "i64";
  readonly shape: Shape;
  readonly stride: number;
  readonly sum: number;
  readonly abs_sum: number;
  /** How far the same float32 computation is from itself: other threads and kernels, and float64. */
  readonly alt_max_abs_diff?: number;
  readonly f64_max_abs_diff?: number;
}

interface Manifest {
  readonly fill_prefix: string;
  readonly hyper: Readonly<Record<string, unknown>>;
  readonly rand_calls?: readonly Entry[];
  readonly inputs: readonly Entry[];
  readonly tensors: readonly Entry[];
  readonly outputs: readonly Result[];
  /** Panoptic segments by image. */
  readonly segments_info?: Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;
}

export interface GoldenCase {
  readonly name: string;
  readonly hyper: Manifest["hyper"];
  readonly results: readonly Result[];
  /** Expected panoptic segments by image; none in cases without. */
  readonly segments: NonNullable<Manifest["segments_info"]>;
  /** Outputs whose products with their `loss_weight/...` add up to the loss L; none where only outputs are stored. */
  readonly lossOver: readonly string[];
  /** Shapes of the inputs, parameters and buffers that the model takes. */
  readonly shapes: ReadonlyMap<string, Shape>;
  /** A number among the settings of the model. */
  setting(name: string): number;
  /** An input that the manifest spells out. */
  explicit<T>(name: string): T;
  /** The values of an input, parameter, buffer or loss weight. */
  values(name: string, shape: Shape): TensorData<"float32">;
  /** The numbers in [0, 1) that the official code got at its i-th request for random numbers. */
  random(call: number): Float32Array;
  /** A stored result. */
  stored(name: string): TypedArray;
  /** Compares a result, the whole tensor, with what is stored of it: its elements and both sums. */
  compare(result: Result, found: TypedArray, against?: Pick<Reference, "scale" | "slack">): Comparison[];
}

/** Reads a case of `test/fixtures/golden`. */
export async function loadCase(name: string): Promise<GoldenCase> {
  const folder = join(FIXTURES, name);
  const manifest = JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")) as Manifest;
  const stored = await readSafetensors(join(folder, "tensors.safetensors"));
  const { fill_prefix: prefix, hyper, inputs, tensors, outputs, rand_calls: calls = [], segments_info } = manifest;
  const filled = [...inputs, ...tensors].filter(({ values, computed }) => values === undefined && !computed);
  const entries = new Map(filled.map((entry) => [entry.name, entry]));

  return {
    name,
    hyper,
    results: outputs,
    segments: segments_info ?? {},
    lossOver: (hyper.L_over as string[] | undefined) ?? [],
    shapes: new Map(filled.map(({ name, shape }) => [name, shape])),
    setting(key) {
      const value = hyper[key];
      if (typeof value !== "number") throw new RangeError(`${name}: expected a number as ${key}, found ${value}`);
      return value;
    },
    explicit: <T>(key: string) => inputs.find((input) => input.name === key)?.values as T,
    values(key, shape) {
      const { base, amp } = key.startsWith("loss_weight/") ? { base: 0, amp: 1 } : entries.get(key)!;
      return fill(prefix + key, shape, base, amp);
    },
    random(call) {
      const { name, shape, base, amp } = calls[call];
      return fill(prefix + name, shape, base, amp).data;
    },
    stored: (result) => stored.get(result)!.data,
    compare: (result, found, against) =>
      compareResult(result, found, { values: stored.get(result.name)!.data, ...against }),
  };
}

function compareResult(
  result: Result,
  found: TypedArray,
  kept: Pick<Reference, "values" | "scale" | "slack">,
): Comparison[] {
  const { name, shape, stride } = result;
  let [sum, absoluteSum] = [0, 0];
  for (const value of found) {
    sum += Number(value);
    absoluteSum += Math.abs(Number(value));
  }
  const scale = kept.scale ?? result.abs_sum;
  const slack = kept.slack && [Array.from(kept.slack).reduce((a, b) => a + b, 0)];
  const compareSum = (label: string, value: number, expected: number) =>
    compareTensors([value], { name: `${label} of ${name}`, shape: [], values: [expected], scale, slack });
  return [
    compareTensors(found, { name, shape, stride, ...kept }),
    compareSum("sum", sum, result.sum),
    compareSum("sum of magnitudes", absoluteSum, result.abs_sum),
  ];
}
