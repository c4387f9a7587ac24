/** @file Where layers declare their parameters. A parameter's path is its name in a Mask2Former checkpoint. */

import { ShapeError } from "../core/errors.js";
import { RandomStream } from "../core/random.js";
import type { Shape, TensorData } from "../core/tensor-data.js";
import type { Graph, Tensor } from "../graph/graph.js";
import type { Initialiser } from "./init.js";

export interface Declaration {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initialiser;
  /** Buffers (statistics, frozen affine values) are stored but never trained. */
  readonly kind: "parameter" | "buffer";
  /** Whether weight decay applies: not to norms and embeddings (Mask2Former's train_net.py). */
  readonly decay: boolean;
}

export type Binding = (declaration: Declaration) => Tensor;

/** All that the layers of one graph have declared, each name once. */
export class Parameters {
  readonly declarations = new Map<string, Declaration>();
  readonly tensors = new Map<string, Tensor>();
  /** Batch statistics by the name of the running value that follows them. */
  readonly observed = new Map<string, Tensor>();
  readonly root: Scope;

  constructor(private readonly bind: Binding) {
    this.root = new Scope(this, "");
  }

  declare(declaration: Declaration): Tensor {
    const { name, shape } = declaration;
    const known = this.tensors.get(name);
    if (!known) {
      const tensor = this.bind(declaration);
      this.declarations.set(name, declaration);
      this.tensors.set(name, tensor);
      return tensor;
    }
    if (known.shape.join() !== shape.join()) throw new ShapeError(name, `shape [${known.shape}]`, `[${shape}]`);
    return known;
  }

  /** Names of the parameters that training changes. */
  get trainable(): string[] {
    return [...this.declarations.values()].filter((d) => d.kind === "parameter").map((d) => d.name);
  }
}

/** A place in the tree of parameter names, from which a layer takes its own: `scope.in("norm").parameter(...)`. */
export class Scope {
  constructor(
    private readonly parameters: Parameters,
    private readonly prefix: string,
  ) {}

  /** The scope of a sub-module: in("conv1"), in("layers", 0). */
  in(...path: (string | number)[]): Scope {
    return new Scope(this.parameters, `${this.prefix}${path.join(".")}.`);
  }

  /** The scope of the names that begin with `prefix`, which ends in a point. */
  at(prefix: string): Scope {
    return new Scope(this.parameters, this.prefix + prefix);
  }

  parameter(name: string, shape: Shape, init: Initialiser, { decay = true } = {}): Tensor {
    return this.parameters.declare({ name: this.prefix + name, shape, init, kind: "parameter", decay });
  }

  buffer(name: string, shape: Shape, init: Initialiser): Tensor {
    return this.parameters.declare({ name: this.prefix + name, shape, init, kind: "buffer", decay: false });
  }

  /** Reports a batch statistic that the buffer `name` follows with momentum. */
  observe(name: string, statistic: Tensor): void {
    const path = this.prefix + name;
    if (!this.parameters.observed.has(path)) this.parameters.observed.set(path, statistic);
  }
}

/** Binds each parameter to a graph input of its name, with `prefix` in front. */
export const asInputs =
  (graph: Graph, prefix = ""): Binding =>
  ({ name, shape }) =>
    graph.input(prefix + name, "float32", shape);

/** Binds each parameter to its value, so that the runtime may fold it into the operators. */
export const asConstants =
  (graph: Graph, values: ReadonlyMap<string, TensorData>): Binding =>
  ({ name, shape }) => {
    const value = values.get(name);
    if (!value) throw new ShapeError(`constant ${name}`, `a value of shape [${shape}]`, "none");
    if (value.shape.join() !== shape.join()) throw new ShapeError(name, `shape [${shape}]`, `[${value.shape}]`);
    return graph.constant(value);
  };

/** The starting value of a parameter: a function of the seed and its name alone. */
export function initialValue({ name, shape, init }: Declaration, seed: number): TensorData<"float32"> {
  return { dtype: "float32", shape, data: init(shape, new RandomStream({ seed, purpose: `init/${name}` })) };
}
