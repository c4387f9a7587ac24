/**
 * @file Models of one network for several sizes of its input, made into one for all sizes. A graph has fixed shapes;
 * built at some sizes, it is the same but for whole numbers and constants. The numbers are fitted, the constants
 * known by their values, and both are computed in the model from the shape of what it is given.
 */

import { ShapeError } from "../core/errors.js";
import { range } from "../core/range.js";
import type { TensorData } from "../core/tensor-data.js";
import type { NodeBuilder } from "./node-builder.js";
import type { OnnxModel, OnnxNode } from "./protobuf.js";
import { fitted, type Points, SizeExpressions } from "./size-expressions.js";

/** One constant at each of the points. */
export type Samples = readonly TensorData[];

/** Writes a constant that depends on the sizes, if it is of a kind that is known. */
export type Formula = (samples: Samples, sizes: SizeExpressions) => string | undefined;

export interface DynamicOptions {
  /** Takes the nodes. */
  readonly builder: NodeBuilder;
  readonly points: Points;
  /** The model at each point. */
  readonly models: readonly OnnxModel[];
  /** The sizes in the builder, the number of images first: int64 lists of one. */
  readonly sizes: readonly string[];
  /** What inputs of the models are called in the builder, where that is another name. */
  readonly inputs: ReadonlyMap<string, string>;
  /** Kinds of constants, beside those that are known for any network. */
  readonly formulas: readonly Formula[];
}

/** Longer constants are data and no list of sizes. */
const LONGEST_LIST = 4096;

const sameShapes = ([first, ...others]: Samples) => others.every(({ shape }) => shape.join() === first.shape.join());

function hasValues(a: TensorData["data"], b: TensorData["data"]): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function isFixed(samples: Samples): boolean {
  const [{ data: first }, ...others] = samples;
  return sameShapes(samples) && others.every(({ data }) => hasValues(first, data));
}

const numbersOf = ({ data }: TensorData, start = 0, end = data.length) =>
  Float64Array.from({ length: end - start }, (_, i) => Number(data[start + i]));

/** Numbers, each a sum of products of sizes. */
const numbers: Formula = (samples, sizes) => {
  const [{ dtype, shape, data }] = samples;
  if (!sameShapes(samples) || data.length > LONGEST_LIST || (dtype !== "int64" && dtype !== "float32"))
    return undefined;
  const lists = samples.map((sample) => numbersOf(sample));
  const polynomials = fitted(sizes.points, lists);
  if (!polynomials) return undefined;
  const { builder } = sizes;
  // Shapes are put together number by number, which other programs follow when they infer shapes.
  const list =
    dtype === "int64"
      ? sizes.integers(range(data.length).map((i) => polynomials.map((factors) => factors[i])))
      : builder.cast(sizes.vector(polynomials), "float32");
  if (shape.length === 0) return builder.op("Squeeze", [list]);
  return shape.length === 1 ? list : builder.op("Reshape", [list, builder.ints(...shape)]);
};

/** One number everywhere. */
const filled: Formula = (samples, sizes) => {
  const [{ dtype, shape, data }] = samples;
  const [value] = data;
  if (dtype !== "float32" || samples.some((sample) => !sample.data.every((x: number | bigint) => x === value)))
    return undefined;
  const lengths = shape.map((_, axis) => sizes.fit(samples.map((sample) => sample.shape[axis])));
  if (!lengths.every((length) => length !== undefined)) return undefined;
  return sizes.builder.op("Expand", [sizes.builder.scalar(Number(value)), sizes.integers(lengths)]);
};

/**
 * Of each image equally many numbers, which grow evenly from image to image, as the numbers of rows do that lie one
 * image after another.
 */
const perImage: Formula = (samples, sizes) => {
  const [{ dtype, shape, data }] = samples;
  const counts = sizes.points.map(([images]) => images);
  const each = data.length / counts[0];
  if (dtype !== "int64" && dtype !== "float32") return undefined;
  if (samples.some((sample, s) => sample.data.length !== each * counts[s] || counts[s] < 2)) return undefined;
  const ofImage = (sample: TensorData, image: number) => numbersOf(sample, image * each, (image + 1) * each);
  const firsts = samples.map((sample) => ofImage(sample, 0));
  const steps = samples.map((sample, s) => ofImage(sample, 1).map((value, j) => value - firsts[s][j]));
  const isEven = ({ data }: TensorData, s: number) =>
    data.every((value: number | bigint, at: number) => {
      const [image, j] = [Math.floor(at / each), at % each];
      return Number(value) === firsts[s][j] + image * steps[s][j];
    });
  const [first, step] = [fitted(sizes.points, firsts), fitted(sizes.points, steps)];
  const lengths = shape.map((_, axis) => sizes.fit(samples.map((sample) => sample.shape[axis])));
  if (!first || !step || !lengths.every((length) => length !== undefined) || !samples.every(isEven)) return undefined;
  const { builder } = sizes;
  const images = builder.unsqueeze(builder.range(sizes.product(1)), 1);
  const values = builder.op("Add", [builder.op("Mul", [images, sizes.vector(step)]), sizes.vector(first)]);
  const typed = dtype === "int64" ? values : builder.cast(values, "float32");
  return builder.op("Reshape", [typed, sizes.integers(lengths)]);
};

/**
 * The outputs of the network by the names that they have in the models, after its nodes were added to the builder.
 * Throws `ShapeError` when the models differ in more than numbers, or a constant is of no kind that is known.
 */
export function addDynamic(options: DynamicOptions): ReadonlyMap<string, string> {
  const { builder, models, inputs } = options;
  const expressions = new SizeExpressions(builder, options.sizes, options.points);
  const formulas = [numbers, filled, perImage, ...options.formulas];
  const [first, ...others] = models;
  requireSameNodes(models);
  const constants = models.map(({ initializers }) => new Map(initializers.map(({ name, tensor }) => [name, tensor])));
  /** What a value of the first model is called in the others and in the builder. */
  const names = others.map(() => new Map<string, string>());
  const built = new Map<string, string>([["", ""]]);
  for (const { name } of first.inputs) {
    for (const known of names) known.set(name, name);
    built.set(name, inputs.get(name) ?? name);
  }

  const inputOf = (node: OnnxNode, at: number, i: number): string => {
    const name = node.inputs[i];
    const samples = models.map((model, m) => constants[m].get(model.nodes[at].inputs[i]) as TensorData | undefined);
    if (samples.every((sample) => sample !== undefined)) return constant(name, samples);
    const agree = others.every((model, m) => (names[m].get(name) ?? name) === model.nodes[at].inputs[i]);
    const value = built.get(name);
    if (!agree || value === undefined) throw differs(at, node, `input ${i} of another source`);
    return value;
  };
  const shared = new Map<string, string>();
  /** Layers have constants of their own, many of which are the same. */
  const fixed = (name: string, tensor: TensorData): string => {
    const { dtype, shape, data } = tensor;
    const content = data.length > LONGEST_LIST ? name : `${dtype}[${shape}] ${data}`;
    const known = shared.get(content) ?? builder.literals.put(name, () => tensor);
    shared.set(content, known);
    return known;
  };
  /** Constants that were written, by their shapes: layers have the same ones. */
  const written = new Map<string, { readonly samples: Samples; readonly value: string }[]>();
  const constant = (name: string, samples: Samples): string => {
    if (isFixed(samples)) return fixed(name, samples[0]);
    const key = samples.map(({ dtype, shape }) => `${dtype}[${shape}]`).join();
    const alike = written.get(key) ?? [];
    const known = alike.find((other) => other.samples.every(({ data }, s) => hasValues(samples[s].data, data)));
    if (known) return known.value;
    for (const formula of formulas) {
      const value = formula(samples, expressions);
      if (value === undefined) continue;
      written.set(key, [...alike, { samples, value }]);
      return value;
    }
    const shown = samples.slice(0, 2).map(({ dtype, shape }) => `${dtype}[${shape}]`);
    throw new ShapeError("dynamic sizes", "a constant whose dependence on the sizes is known", shown.join(" and "));
  };

  for (const [at, node] of first.nodes.entries()) {
    const values = node.inputs.map((_, i) => inputOf(node, at, i));
    const wanted = node.outputs.findLastIndex((name) => name !== "") + 1;
    const outputs = builder.outputs(node.opType, values, wanted, node.attributes);
    for (const [i, name] of node.outputs.slice(0, wanted).entries()) {
      built.set(name, outputs[i]);
      for (const [m, model] of others.entries()) names[m].set(name, model.nodes[at].outputs[i]);
    }
  }
  return new Map(first.outputs.map(({ name }) => [name, built.get(name) as string]));
}

const differs = (at: number, { opType, outputs }: OnnxNode, found: string) =>
  new ShapeError("dynamic sizes", "the same nodes at every size", `node ${at} (${opType} ${outputs[0]}) with ${found}`);

function requireSameNodes([first, ...others]: readonly OnnxModel[]): void {
  const kindOf = ({ opType, domain, attributes, inputs, outputs }: OnnxNode) =>
    JSON.stringify([opType, domain, attributes, inputs.length, outputs.length]);
  for (const { nodes } of others) {
    const at = first.nodes.findIndex((node, i) => nodes[i] === undefined || kindOf(nodes[i]) !== kindOf(node));
    if (at >= 0) throw differs(at, first.nodes[at], nodes[at]?.opType ?? "no such node");
    if (nodes.length !== first.nodes.length)
      throw differs(first.nodes.length - 1, first.nodes.at(-1)!, "more after it");
  }
}
