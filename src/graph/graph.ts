/** @file The graph: tensors and the nodes that make them, in the order of their creation. */

import { InputError, ShapeError } from "../core/errors.js";
import type { DType, Shape, TensorData } from "../core/tensor-data.js";
import { floats } from "../core/tensor-data.js";
import { infer } from "./infer.js";
import type { Operators, OpName } from "./operators.js";

/** A value of a graph: the result of a node, an input or a constant, whose type and shape are known. */
export interface Tensor {
  readonly graph: Graph;
  readonly id: number;
  readonly dtype: DType;
  readonly shape: Shape;
  readonly source: Source;
}

export type Source =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "constant"; readonly data: TensorData }
  | { readonly kind: "node"; readonly node: Node; readonly index: number };

/**
 * When a node has to run. The runtime visits what a node needs from the highest node number down, so numbering
 * recomputed activations below gradients makes it recompute them as late as possible.
 */
export type Phase = "forward" | "recompute" | "backward";

export interface Node<K extends OpName = OpName> {
  readonly op: K;
  readonly inputs: readonly Tensor[];
  readonly attributes: Operators[K];
  readonly outputs: readonly Tensor[];
  readonly phase: Phase;
}

/** A stretch of nodes that the reverse walk treats as one step with a gradient of its own. */
export interface Region {
  readonly start: number;
  readonly end: number;
  readonly outputs: readonly Tensor[];
  /** Adds to the gradients of whatever the region read, given those of its outputs. */
  readonly backward: RegionGradient;
}

export interface Gradients {
  /** Whether anybody asks for the gradient of this tensor. */
  needed(tensor: Tensor): boolean;
  accumulate(tensor: Tensor, gradient: Tensor): void;
}

/** `dys`: gradients of the region's outputs, undefined where none arrived. */
export type RegionGradient = (dys: readonly (Tensor | undefined)[], into: Gradients) => void;

/** The largest published model has 30,000; what has more than this would be planned and compiled for minutes. */
const MAX_NODES = 100_000;

/**
 * A graph of ONNX operators under construction: nodes in the order in which they were added, each after what it reads.
 */
export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Tensor[] = [];
  readonly outputs = new Map<string, Tensor>();
  readonly regions: Region[] = [];
  phase: Phase = "forward";
  private count = 0;
  private readonly inputNames = new Set<string>();
  private readonly scalars = new Map<number, Tensor>();
  private readonly filled = new Map<string, Tensor>();

  /**
   * `tileBytes`: size to which layers cut large intermediate maps, about what a core's cache holds; with infinity
   * nothing is cut, and the nodes are the same for images of every size.
   */
  constructor(
    readonly name: string,
    readonly tileBytes = 2 ** 23,
  ) {}

  input(name: string, dtype: DType, shape: Shape): Tensor {
    if (this.inputNames.has(name)) {
      throw new ShapeError(`graph ${this.name}`, "input names that differ", `"${name}" twice`);
    }
    this.inputNames.add(name);
    const tensor = this.tensor(dtype, shape, { kind: "input", name });
    this.inputs.push(tensor);
    return tensor;
  }

  constant(data: TensorData): Tensor {
    return this.tensor(data.dtype, data.shape, { kind: "constant", data });
  }

  scalar(value: number): Tensor {
    let tensor = this.scalars.get(value);
    if (!tensor) {
      tensor = this.constant(floats([], [value]));
      this.scalars.set(value, tensor);
    }
    return tensor;
  }

  /** Zeros of a shape, the same tensor at each call. */
  zeros(shape: Shape): Tensor {
    const known = this.filled.get(shape.join());
    if (known) return known;
    // Marked as forward, since nodes of any phase may share it.
    const [tensor] = this.during("forward", () => this.apply("Expand", [this.scalar(0)], { shape }));
    this.filled.set(shape.join(), tensor);
    return tensor;
  }

  output(name: string, tensor: Tensor): void {
    if (this.outputs.has(name))
      throw new ShapeError(`graph ${this.name}`, "output names that differ", `"${name}" twice`);
    this.outputs.set(name, tensor);
  }

  /**
   * Appends a node; its output types follow from the inference table. @throws InputError for a graph of too many nodes
   */
  apply<K extends OpName>(op: K, inputs: readonly Tensor[], attributes: Operators[K]): readonly Tensor[] {
    if (this.nodes.length >= MAX_NODES) {
      throw new InputError({
        where: `the graph "${this.name}"`,
        expected: `at most ${MAX_NODES.toLocaleString("en-US")} operators`,
        found: "a model that needs more",
        fix: "Take fewer layers or smaller images.",
      });
    }
    const outputs: Tensor[] = [];
    const node = { op, inputs, attributes, outputs, phase: this.phase } as unknown as Node;
    const types = infer(op, inputs, attributes);
    types.forEach(({ dtype, shape }, index) => {
      outputs.push(this.tensor(dtype, shape, { kind: "node", node, index }));
    });
    this.nodes.push(node);
    return outputs;
  }

  /** Runs `build` with new nodes marked as belonging to `phase`. */
  during<T>(phase: Phase, build: () => T): T {
    const before = this.phase;
    this.phase = phase;
    try {
      return build();
    } finally {
      this.phase = before;
    }
  }

  private tensor(dtype: DType, shape: Shape, source: Source): Tensor {
    return { graph: this, id: this.count++, dtype, shape, source };
  }
}

export function inputName(tensor: Tensor): string {
  if (tensor.source.kind !== "input") throw new ShapeError("inputName", "a graph input", tensor.source.kind);
  return tensor.source.name;
}

/** The tensors from which `outputs` are computed, outputs included. */
export function ancestors(outputs: Iterable<Tensor>): Set<Tensor> {
  const seen = new Set<Tensor>();
  const stack = [...outputs];
  for (let tensor = stack.pop(); tensor; tensor = stack.pop()) {
    if (seen.has(tensor)) continue;
    seen.add(tensor);
    if (tensor.source.kind === "node") stack.push(...tensor.source.node.inputs);
  }
  return seen;
}
